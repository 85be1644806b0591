/* Event streams. */
#include <string.h>

#include "api/server_internal.h"
#include "base/mem.h"

/* The daemon asks for more to send. */
static ssize_t read_stream(void *arg, uint64_t at, char *room, size_t max)
{
    struct api_stream *s = arg;
    size_t len = s->waiting.len < max ? s->waiting.len : max;

    (void)at;
    if (len == 0) {
        if (s->is_ended || !s->request)
            return MHD_CONTENT_READER_END_OF_STREAM;
        s->request->is_suspended = true;
        MHD_suspend_connection(s->request->connection);
        return 0;
    }
    memcpy(room, buf_str(&s->waiting).ptr, len);
    buf_consume(&s->waiting, len);
    s->first_left -= len < s->first_left ? len : s->first_left;
    if (s->waiting.len == 0) { /* what a large beginning took */
        buf_deinit(&s->waiting);
        buf_init(&s->waiting, SIZE_MAX);
    }
    return (ssize_t)len;
}

static void free_stream(void *arg)
{
    struct api_stream *s = arg;

    if (s->request)
        s->request->stream = NULL;
    if (!s->is_ended && s->closed)
        s->closed(s->arg);
    buf_deinit(&s->waiting);
    mem_free(s);
}

struct api_stream *api_stream_begin(struct api_request *r, struct str first, size_t max_waiting,
                                    void (*closed)(void *arg), void *arg)
{
    struct api_stream *s = mem_zalloc(sizeof *s);
    struct MHD_Response *response;

    *s =
        (struct api_stream){.request = r, .max_waiting = max_waiting, .closed = closed, .arg = arg};
    buf_init(&s->waiting, SIZE_MAX);
    buf_append_str(&s->waiting, first);
    s->first_left = first.len;
    r->stream = s;
    response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_stream, s, free_stream);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    server_give(r, MHD_HTTP_OK, response);
    return s;
}

void api_stream_send(struct api_stream *s, struct str bytes)
{
    if (s->is_ended || !s->request)
        return;
    buf_append_str(&s->waiting, bytes);
    if (s->waiting.len - s->first_left >
        s->max_waiting) { /* too slow: it may come again and resume */
        void (*closed)(void *arg) = s->closed;

        s->closed = NULL;
        buf_reset(&s->waiting);
        s->is_ended = true;
        if (closed)
            closed(s->arg);
    }
    server_resume(s->request);
}

size_t api_stream_waiting(const struct api_stream *s)
{
    return s->waiting.len;
}

void api_stream_end(struct api_stream *s)
{
    s->is_ended = true;
    s->closed = NULL;
    if (s->request)
        server_resume(s->request);
}

void api_stream_end_with(struct api_stream *s, struct str bytes)
{
    if (s->request && !s->is_ended)
        buf_append_str(&s->waiting, bytes);
    api_stream_end(s);
}

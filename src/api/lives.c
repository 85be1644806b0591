#include "api/lives.h"

#include <string.h>

#include "api/call.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "output/json_text.h"

enum { MAX_WAITING = 256 * 1024, MAX_WAITING_ALL = 256 * 1024 * 1024 };

#define HEARTBEAT (10 * NSEC_PER_SEC)

struct live {
    struct lives *lives;
    struct live *next;
    struct live **link;
    char run[SHORT_ID_SIZE];
    char caller[SHORT_ID_SIZE]; /* the token's id */
    struct api_stream *stream;
};

struct lives {
    struct loop *loop;
    struct live *list;
    size_t count;
    uint64_t next_id;
    struct timer heartbeat;
};

/* --- streams -------------------------------------------------------------------------------- */

static bool is_of(const struct live *l, const char *run)
{
    return strcmp(l->run, run) == 0;
}

static void drop(struct live *l)
{
    *l->link = l->next;
    if (l->next)
        l->next->link = l->link;
    l->lives->count--;
    mem_free(l);
}

static void end(struct live *l, struct str bytes)
{
    api_stream_end_with(l->stream, bytes);
    drop(l);
}

static void on_closed(void *arg)
{
    drop(arg);
}

size_t lives_count(const struct lives *lives)
{
    return lives->count;
}

bool lives_are_followed(const struct lives *lives, const char *run)
{
    for (const struct live *l = lives->list; l; l = l->next) {
        if (is_of(l, run))
            return true;
    }
    return false;
}

void lives_each(struct lives *lives, void (*fn)(void *arg, const char *run), void *arg)
{
    char(*runs)[SHORT_ID_SIZE] = mem_calloc(lives->count + 1, sizeof *runs);
    size_t count = 0;

    for (const struct live *l = lives->list; l; l = l->next) {
        size_t i = 0;

        while (i < count && !is_of(l, runs[i]))
            i++;
        if (i == count)
            memcpy(runs[count++], l->run, sizeof l->run);
    }
    for (size_t i = 0; i < count; i++)
        fn(arg, runs[i]);
    mem_free(runs);
}

void lives_end_caller(struct lives *lives, const char *token)
{
    for (struct live *l = lives->list, *next; l; l = next) {
        next = l->next;
        if (strcmp(l->caller, token) == 0)
            end(l, STR(""));
    }
}

/* --- events --------------------------------------------------------------------------------- */

/* Takes the data. */
static void format(struct lives *lives, const char *event, json_t *data, struct buf *out)
{
    char *text = json_text(data, 0);

    buf_printf(out, "id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)lives->next_id++,
               event, text);
    json_decref(data);
    mem_free(text);
}

void lives_send(struct lives *lives, const char *run, const char *event, json_t *data)
{
    struct buf text = BUF_INIT(SIZE_MAX);

    format(lives, event, data, &text);
    for (struct live *l = lives->list, *next; l; l = next) {
        next = l->next;
        if (is_of(l, run))
            api_stream_send(l->stream, buf_str(&text));
    }
    buf_deinit(&text);
}

void lives_end(struct lives *lives, const char *run, json_t *all, json_t *view)
{
    struct buf text = BUF_INIT(SIZE_MAX);

    if (all)
        format(lives, "export", all, &text);
    if (view)
        format(lives, "end", view, &text);
    for (struct live *l = lives->list, *next; l; l = next) {
        next = l->next;
        if (is_of(l, run))
            end(l, buf_str(&text));
    }
    buf_deinit(&text);
}

static void beat(struct timer *timer)
{
    struct lives *lives = CONTAINER_OF(timer, struct lives, heartbeat);

    for (struct live *l = lives->list, *next; l; l = next) {
        next = l->next;
        api_stream_send(l->stream, STR(": still here\n\n"));
    }
    timer_start(lives->loop, timer, clock_now() + HEARTBEAT);
}

/* What a stream begins with; takes the snapshot. True: the run has ended, and that is all. */
static bool first(struct lives *lives, json_t *snapshot, struct buf *out)
{
    json_t *run = json_incref(json_object_get(snapshot, "run"));
    const char *phase = json_string_value(json_object_get(run, "phase"));
    bool is_over = phase && strcmp(phase, "ended") == 0;

    buf_append_c(out, "retry: 1000\n\n");
    format(lives, "snapshot", snapshot, out);
    if (is_over)
        format(lives, "end", json_incref(run), out);
    json_decref(run);
    return is_over;
}

static struct live *add(struct lives *lives, const struct api_call *call)
{
    struct live *l = mem_zalloc(sizeof *l);
    const char *run = call_param(call, "run");

    l->lives = lives;
    l->next = lives->list;
    l->link = &lives->list;
    memcpy(l->run, run, strnlen(run, sizeof l->run - 1));
    memcpy(l->caller, call->caller.id, sizeof l->caller);
    if (l->next)
        l->next->link = &l->next;
    lives->list = l;
    lives->count++;
    return l;
}

/* Bytes that wait for all readers together. */
static size_t waiting(const struct lives *lives)
{
    size_t sum = 0;

    for (const struct live *l = lives->list; l; l = l->next)
        sum += api_stream_waiting(l->stream);
    return sum;
}

void lives_add(struct lives *lives, const struct api_call *call, json_t *snapshot)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    struct live *l;
    bool is_over;

    if (lives->count >= LIVES_MAX || waiting(lives) > MAX_WAITING_ALL) {
        json_decref(snapshot);
        api_problem(call->request, 503, "/problems/not-ready", "Not ready",
                    "%zu event streams are open already, which is as many as there may be: close "
                    "one",
                    lives->count);
        return;
    }
    is_over = first(lives, snapshot, &text);
    l = add(lives, call);
    l->stream = api_stream_begin(call->request, buf_str(&text), MAX_WAITING, on_closed, l);
    if (is_over)
        end(l, STR(""));
    buf_deinit(&text);
}

/* --- life ----------------------------------------------------------------------------------- */

struct lives *lives_new(struct loop *loop)
{
    struct lives *lives = mem_zalloc(sizeof *lives);

    lives->loop = loop;
    lives->next_id = 1;
    timer_init(&lives->heartbeat, beat);
    timer_start(loop, &lives->heartbeat, clock_now() + HEARTBEAT);
    return lives;
}

void lives_stop(struct lives *lives)
{
    timer_stop(lives->loop, &lives->heartbeat);
    while (lives->list)
        end(lives->list, STR(""));
}

void lives_free(struct lives *lives)
{
    mem_free(lives);
}

/* layer: proto
 *
 * Response heads: whatever way the bytes are cut, the result is the same, and texts that come out
 * of a head hold no control characters. The first byte says how large the pieces are. */
#include <stdint.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The scan's result over pieces of `step` bytes, each call's bytes in a block of their own. */
static ptrdiff_t scan(const char *data, size_t len, size_t step, struct http1_scan *out)
{
    struct http1_scan s = {0};
    ptrdiff_t result = 0;

    for (size_t have = step < len ? step : len; have > 0;) {
        char *copy = mem_dup(data, have);

        result = http1_scan_head(&s, copy, have);
        mem_free(copy);
        if (result != 0 || have == len)
            break;
        have = len - have < step ? len : have + step;
    }
    *out = s;
    return result;
}

static void check_head(const struct http1_head *h)
{
    ensure(h->status >= 100 && h->status <= 999);
    ensure(h->header_count <= HTTP1_HEADERS_MAX);
    ensure(header_is_value(h->status_text));
    for (size_t i = 0; i < h->header_count; i++) {
        ensure(header_is_token(h->headers[i].name));
        ensure(header_is_value(h->headers[i].value));
    }
    if (h->status < 200 || h->status == 204 || h->status == 304)
        ensure(h->body == HTTP1_BODY_NONE);
    if (h->body == HTTP1_BODY_UNTIL_CLOSE)
        ensure(!h->keep_alive);
}

static void parse(const char *data, size_t len, size_t lines)
{
    struct arena a;

    arena_init(&a);
    for (int is_head = 0; is_head <= 1; is_head++) {
        struct http1_head head;
        const char *why = NULL;
        char *copy = mem_dup(data, len);
        int err = http1_parse_head(copy, len, lines, is_head, &a, &head, &why);

        if (err == 0)
            check_head(&head);
        else
            ensure(err == ERR_HTTP && why);
        mem_free(copy);
    }
    arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http1_scan whole;
    struct http1_scan cut;
    ptrdiff_t len;
    ptrdiff_t cut_len;

    if (size < 2 || size > 4096)
        return 0;
    len = scan((const char *)data + 1, size - 1, size, &whole);
    cut_len = scan((const char *)data + 1, size - 1, (size_t)data[0] + 1, &cut);
    ensure(len == cut_len);
    if (len > 0) {
        ensure(whole.lines == cut.lines);
        parse((const char *)data + 1, (size_t)len, whole.lines);
    }
    return 0;
}

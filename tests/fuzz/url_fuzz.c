/* layer: proto
 *
 * URLs: what parses is written, parsed again, and is the same; what resolves parses. The input is a
 * base URL, a line feed, and a reference. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/ensure.h"
#include "proto/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Texts that a second round must not change. */
static void check_round(const struct url *u, struct arena *a)
{
    struct str text = url_text(u, URL_USER_KEEP, a);
    struct url again;

    if (u->opaque.len || (!u->has_authority && str_starts_with(u->path, STR("//"))))
        return;
    ensure(url_parse(text, a, &again, NULL) == 0);
    ensure(str_eq(url_text(&again, URL_USER_KEEP, a), text));
    ensure(str_eq(again.host, u->host) && again.port == u->port);
    ensure(str_eq(again.target, u->target));
    ensure(str_eq(again.user, u->user) && str_eq(again.password, u->password));
}

/* Nothing may end a request line or a header early. */
static void check_clean(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        ensure((unsigned char)s.ptr[i] > ' ' && s.ptr[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct str base_text = str_cut(&rest, '\n');
    struct arena a;
    struct diag d = DIAG_INIT;
    struct url base;
    struct url u;
    struct buf b;

    arena_init(&a);
    if (url_parse(base_text, &a, &base, &d) == 0) {
        check_clean(base.target);
        check_clean(base.authority);
        check_round(&base, &a);
        (void)url_text(&base, URL_USER_MASK, &a);
        if (url_resolve(&base, rest, &a, &u, &d) == 0) {
            check_clean(u.target);
            check_round(&u, &a);
        }
    }
    diag_deinit(&d);

    buf_init(&b, SIZE_MAX);
    url_query_escape(rest, &b);
    check_clean(buf_str(&b));
    {
        struct str escaped = arena_str(&a, buf_str(&b));

        buf_reset(&b);
        ensure(url_unescape(escaped, true, &b) == 0);
        ensure(str_eq(buf_str(&b), rest));
    }
    buf_reset(&b);
    url_path_escape(rest, &b);
    check_clean(buf_str(&b));
    (void)!url_unescape(rest, false, &b);
    buf_deinit(&b);
    arena_deinit(&a);
    return 0;
}

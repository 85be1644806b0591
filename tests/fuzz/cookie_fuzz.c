/* layer: proto
 *
 * Cookies: lines of the input are URLs and Set-Cookie values in turn. The jar stays within its
 * bounds, and what it sends holds no control characters. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/ensure.h"
#include "proto/cookie.h"
#include "proto/header.h"
#include "proto/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const int64_t now = 1700000000;

static void check_sent(struct cookie_jar *jar, const struct url *url, struct arena *a)
{
    struct cookie_pair *pairs;
    size_t count = cookie_jar_match(jar, url, now, a, &pairs);

    ensure(count <= cookie_jar_count(jar));
    for (size_t i = 0; i < count; i++)
        ensure(header_is_token(pairs[i].name) && header_is_value(pairs[i].value));
}

static void visit(struct cookie_jar *jar, struct str url_text_, struct str set, struct arena *a)
{
    struct url url;
    struct cookie c;
    int64_t date;

    (void)!cookie_date_parse(set, &date);
    if (url_parse(url_text_, a, &url, NULL) != 0)
        return;
    if (cookie_parse(set, &c) == 0 && cookie_jar_set(jar, &url, &c, now) == 0)
        check_sent(jar, &url, a);
    if (set.len && set.ptr[0] == '-')
        cookie_jar_delete(jar, &url, str_from_index(set, 1), now);
    if (set.len && set.ptr[0] == '!') {
        cookie_jar_clear(jar, &url, now);
        check_sent(jar, &url, a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct cookie_jar *jar = cookie_jar_new();
    struct arena a;

    arena_init(&a);
    for (int i = 0; i < 64 && rest.len > 0; i++) {
        struct str url = str_cut(&rest, '\n');
        struct str set = str_cut(&rest, '\n');

        visit(jar, url, set, &a);
        ensure(cookie_jar_count(jar) <= COOKIE_JAR_MAX);
    }
    cookie_jar_free(jar);
    arena_deinit(&a);
    return 0;
}

#include "base/buf.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "support/test.h"

TEST(buf_refuses_past_its_maximum)
{
    struct buf b;

    buf_init(&b, 4);
    CHECK_EQ(buf_append_c(&b, "abcd"), 0);
    CHECK_EQ(buf_append_char(&b, 'e'), ERR_LIMIT);
    CHECK(buf_is_over(&b));
    CHECK_EQ(b.len, 4);
    CHECK(str_eq_c(buf_str(&b), "abcd"));
    CHECK_EQ(buf_append_c(&b, ""),
             ERR_LIMIT); /* stays refused, so one check at the end is enough */
    buf_reset(&b);
    CHECK_EQ(buf_printf(&b, "%d", 123), 0);
    CHECK(!buf_room(&b, SIZE_MAX));
    buf_deinit(&b);
}

TEST(buf_grows_consumes_and_hands_over)
{
    struct buf b = BUF_INIT(SIZE_MAX);
    char *text;

    for (int i = 0; i < 1000; i++)
        CHECK_EQ(buf_printf(&b, "%03d", i), 0);
    CHECK_EQ(b.len, 3000);
    buf_consume(&b, 2997);
    text = buf_take(&b);
    CHECK_TEXT(text, "999");
    mem_free(text);
    text = buf_take(&b);
    CHECK_TEXT(text, "");
    mem_free(text);
}

TEST(arena_keeps_everything_until_reset)
{
    struct arena a;
    char *texts[200];

    arena_init(&a);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 200; i++) {
            texts[i] = arena_printf(&a, "%d:%0*d", i, i, 0);
            CHECK(((uintptr_t)texts[i] & 15) == 0);
        }
        CHECK(strncmp(texts[7], "7:0000000", 9) == 0);
        memset(arena_alloc(&a, 100000), 1, 100000);
        arena_reset(&a);
    }
    CHECK(((char *)arena_zalloc(&a, 100))[99] == 0);
    arena_deinit(&a);
}

TEST(map_keeps_insertion_order)
{
    struct map m;
    char key[16];
    size_t n = 0;

    map_init(&m);
    for (intptr_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%ld", (long)i);
        CHECK(map_set(&m, str_of(key), (void *)(i + 1)) == NULL);
    }
    for (intptr_t i = 0; i < 1000; i += 2) {
        snprintf(key, sizeof key, "k%ld", (long)i);
        CHECK(map_remove(&m, str_of(key)) == (void *)(i + 1));
        CHECK(!map_has(&m, str_of(key)));
    }
    CHECK(map_set(&m, STR("k1"), (void *)77) == (void *)2);
    CHECK_EQ(m.count, 500);
    for (struct map_entry *e = map_first(&m); e; e = map_next(&m, e)) {
        snprintf(key, sizeof key, "k%zu", 2 * n + 1);
        CHECK(str_eq_c(e->key, key));
        n++;
    }
    CHECK_EQ(n, 500);
    for (intptr_t i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "n%ld", (long)i);
        map_set(&m, str_of(key), (void *)(i + 1));
        CHECK(map_get(&m, str_of(key)) == (void *)(i + 1));
        map_remove(&m, str_of(key));
    }
    CHECK_EQ(m.count, 500);
    CHECK(!map_get(&m, STR("")));
    map_deinit(&m);
}

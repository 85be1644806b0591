#include "proto/header.h"

#include "support/test.h"

TEST(header_names_are_made_canonical)
{
    static const char *const cases[][2] = {
        {"content-type", "Content-Type"},
        {"CONTENT-TYPE", "Content-Type"},
        {"x--a-", "X--A-"},
        {"etag", "Etag"},
        {"www-authenticate", "Www-Authenticate"},
        {"a b", "a b"},
        {"1x-y", "1x-Y"},
    };
    struct arena a = {0};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct str got = header_canonical_str(str_of(cases[i][0]), &a);

        CHECK(str_eq_c(got, cases[i][1]));
        CHECK(header_canonical_str(got, &a).ptr == got.ptr);
    }
    arena_deinit(&a);
}

TEST(header_finds_and_checks)
{
    static const struct http_header list[] = {
        {STR_INIT("A"), STR_INIT("1")},
        {STR_INIT("B"), STR_INIT("2")},
        {STR_INIT("a"), STR_INIT("3")},
    };

    CHECK(header_find(list, 3, STR("a")) == &list[0]);
    CHECK(str_eq_c(header_value(list, 3, STR("b")), "2"));
    CHECK(!header_value(list, 3, STR("c")).ptr);
    CHECK(header_has_token(STR("gzip, Chunked ,x"), STR("chunked")));
    CHECK(!header_has_token(STR("gzip;chunked"), STR("chunked")));
    CHECK(!header_has_token(STR(""), STR("chunked")));
    CHECK(header_is_token(STR("x-y!")) && !header_is_token(STR("x y")) &&
          !header_is_token(STR("")));
    CHECK(header_is_value(STR("a\tb \xff")) && !header_is_value(STR("a\nb")) &&
          !header_is_value(STR("\x7f")) && header_is_value(STR("")));
}

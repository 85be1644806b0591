#include "proto/header.h"

#include "base/compiler.h"
#include "support/test.h"

TEST(header_names_become_canonical)
{
    static const char *const rows[][2] = {
        {"content-type", "Content-Type"},
        {"CONTENT-TYPE", "Content-Type"},
        {"eTAG", "Etag"},
        {"x--y", "X--Y"},
        {"-a", "-A"},
        {"x_y-z1a", "X_y-Z1a"},
        {"Content-Type", "Content-Type"},
        {"not a token", "not a token"},
        {"", ""},
    };
    struct arena a;

    arena_init(&a);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char name[32];
        struct str got = header_canonical_str(str_of(rows[i][0]), &a);

        CHECK(str_eq_c(got, rows[i][1]));
        strncpy(name, rows[i][0], sizeof name - 1);
        name[sizeof name - 1] = '\0';
        header_canonical(name, strlen(name));
        CHECK_TEXT(name, rows[i][1]);
    }
    arena_deinit(&a);
}

TEST(header_tells_tokens_and_values)
{
    CHECK(header_is_token(STR("X-Y!#$%&'*+.^_`|~09")));
    CHECK(!header_is_token(STR("")));
    CHECK(!header_is_token(STR("a b")));
    CHECK(!header_is_token(STR("a:")));
    CHECK(!header_is_token(STR("\xc3\xa4")));
    CHECK(header_is_value(STR("")));
    CHECK(header_is_value(STR("a\tb \xc3\xa4")));
    CHECK(!header_is_value(STR("a\r\nX: y")));
    CHECK(!header_is_value(str_from("a\0b", 3)));
    CHECK(!header_is_value(STR("a\x7f")));
}

TEST(header_lists_are_searched_without_case)
{
    static const struct http_header list[] = {
        {STR_INIT("A"), STR_INIT("1")},
        {STR_INIT("Bb"), STR_INIT("2")},
        {STR_INIT("bB"), STR_INIT("3")},
    };

    CHECK(header_find(list, 3, STR("bb")) == &list[1]);
    CHECK(str_eq_c(header_value(list, 3, STR("BB")), "2"));
    CHECK(header_find(list, 3, STR("c")) == NULL);
    CHECK(header_value(list, 3, STR("c")).ptr == NULL);
    CHECK(header_has_token(STR("keep-alive , Close"), STR("close")));
    CHECK(header_has_token(STR("close"), STR("close")));
    CHECK(!header_has_token(STR("closed, xclose"), STR("close")));
    CHECK(!header_has_token(STR(""), STR("close")));
}

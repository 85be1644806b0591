#include "base/str.h"

#include "base/mem.h"
#include "support/test.h"

TEST(str_compares_by_bytes)
{
    CHECK(str_eq(STR("abc"), str_from("abcd", 3)));
    CHECK(!str_eq(STR("abc"), STR("abd")));
    CHECK(str_eq(STR(""), (struct str){NULL, 0}));
    CHECK(str_eq_nocase(STR("Content-Type"), STR("content-type")));
    CHECK(str_cmp(STR("a"), STR("b")) < 0);
    CHECK(str_cmp(STR("ab"), STR("a")) > 0);
    CHECK_EQ(str_cmp(STR("ab"), STR("ab")), 0);
    CHECK(str_starts_with(STR("file=x"), STR("file=")));
    CHECK(!str_starts_with(STR("fi"), STR("file=")));
    CHECK(str_ends_with(STR("a.gz"), STR(".gz")));
    CHECK(!str_ends_with(STR("gz"), STR(".gz")));
}

TEST(str_finds)
{
    CHECK_EQ(str_find(STR("a=b=c"), '='), 1);
    CHECK_EQ(str_rfind(STR("a=b=c"), '='), 3);
    CHECK_EQ(str_find(STR("abc"), 'x'), -1);
    CHECK_EQ(str_find(STR(""), 'x'), -1);
    CHECK_EQ(str_find_str(STR("hello world"), STR("o w")), 4);
    CHECK_EQ(str_find_str(STR("hello"), STR("")), 0);
    CHECK_EQ(str_find_str(STR(""), STR("x")), -1);
}

TEST(str_cut_walks_a_list)
{
    struct str rest = STR("a,,bc");

    CHECK(str_eq_c(str_cut(&rest, ','), "a"));
    CHECK(str_eq_c(str_cut(&rest, ','), ""));
    CHECK(rest.ptr != NULL);
    CHECK(str_eq_c(str_cut(&rest, ','), "bc"));
    CHECK(rest.ptr == NULL);
    CHECK(str_eq_c(str_trim(STR(" \t x y \n")), "x y"));
    CHECK(str_eq_c(str_slice(STR("abcdef"), 2, 4), "cd"));
    CHECK(str_eq_c(str_slice(STR("abc"), 2, 99), "c"));
    CHECK_EQ(str_slice(STR("abc"), 7, 99).len, 0);
}

TEST(str_numbers_fill_the_whole_text)
{
    uint64_t u = 7;
    int64_t i = 7;
    double f = 7;

    CHECK(str_to_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
    CHECK(!str_to_u64(STR("18446744073709551616"), &u));
    CHECK(!str_to_u64(STR(""), &u) && !str_to_u64(STR("1x"), &u) && !str_to_u64(STR("-1"), &u));
    CHECK(u == UINT64_MAX);
    CHECK(str_to_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
    CHECK(!str_to_i64(STR("9223372036854775808"), &i) && !str_to_i64(STR("-"), &i));
    CHECK(str_to_double(STR("1.5e3"), &f) && f == 1500.0);
    CHECK(!str_to_double(STR("nan"), &f) && !str_to_double(STR("0x10"), &f));
    CHECK(!str_to_double(STR("inf"), &f) && !str_to_double(STR(" 1"), &f));
    CHECK(!str_to_double(STR("1e999"), &f) && !str_to_double(STR("1.5 "), &f));
}

TEST(str_is_utf8_follows_rfc_3629)
{
    CHECK(str_is_utf8(STR("plain, é, €, 😀")));
    CHECK(!str_is_utf8(STR("\xc0\x80")));         /* overlong NUL */
    CHECK(!str_is_utf8(STR("\xe0\x80\x80")));     /* overlong */
    CHECK(!str_is_utf8(STR("\xed\xa0\x80")));     /* a surrogate */
    CHECK(!str_is_utf8(STR("\xf4\x90\x80\x80"))); /* past U+10FFFF */
    CHECK(!str_is_utf8(STR("\xe2\x82")));         /* cut off */
    CHECK(!str_is_utf8(STR("\xff")));
}

TEST(str_hash_differs_where_text_does)
{
    CHECK(str_hash(STR("a")) != str_hash(STR("b")));
    CHECK(str_hash(STR("12345678")) != str_hash(STR("123456780")));
    CHECK(str_hash(STR("abc")) == str_hash(str_from("abcd", 3)));
}

#include "proto/form.h"

#include <ctype.h>

#include "base/compiler.h"
#include "support/test.h"

TEST(form_is_sorted_and_escaped)
{
    static const struct form_field fields[] = {
        {STR_INIT("z"), STR_INIT("1")},   {STR_INIT("a b"), STR_INIT("x&y=z")},
        {STR_INIT("m"), STR_INIT("2nd")}, {STR_INIT("m"), STR_INIT("1st")},
        {STR_INIT(""), STR_INIT("")},
    };
    struct buf out = BUF_INIT(1000);

    form_urlencode(fields, COUNT_OF(fields), &out);
    CHECK_TEXT(out.data, "=&a+b=x%26y%3Dz&m=2nd&m=1st&z=1");
    buf_reset(&out);
    form_urlencode(NULL, 0, &out);
    CHECK_EQ(out.len, 0);
    buf_deinit(&out);
}

TEST(multipart_writes_fields_and_files)
{
    static const struct multipart_part parts[] = {
        {STR_INIT("field"), STR_INIT("value"), {NULL, 0}, {NULL, 0}},
        {STR_INIT("file"), STR_INIT("\x00\x01"), STR_INIT("a \"b\".bin"), STR_INIT("x/y")},
        {STR_INIT("t\r\n"), STR_INIT("plain"), STR_INIT(""), STR_INIT("a\r\nX: y")},
        {STR_INIT("u"), STR_INIT(""), STR_INIT("u.txt"), {NULL, 0}},
    };
    static const char want[] =
        "--B\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nvalue\r\n"
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".bin\"\r\n"
        "Content-Type: x/y\r\n\r\n\x00\x01\r\n"
        "--B\r\nContent-Disposition: form-data; name=\"t%0D%0A\"; filename=\"\"\r\n"
        "Content-Type: aX: y\r\n\r\nplain\r\n"
        "--B\r\nContent-Disposition: form-data; name=\"u\"; filename=\"u.txt\"\r\n"
        "Content-Type: application/octet-stream\r\n\r\n\r\n"
        "--B--\r\n";
    struct buf out = BUF_INIT(10000);

    multipart_write(parts, COUNT_OF(parts), "B", &out);
    CHECK(str_eq(buf_str(&out), str_from(want, sizeof want - 1)));
    buf_reset(&out);
    multipart_write(NULL, 0, "B", &out);
    CHECK_TEXT(out.data, "--B--\r\n");
    buf_deinit(&out);
}

TEST(multipart_boundaries_differ)
{
    char one[MULTIPART_BOUNDARY_MAX];
    char two[MULTIPART_BOUNDARY_MAX];

    multipart_boundary(one);
    multipart_boundary(two);
    CHECK_EQ(strlen(one), 60);
    for (size_t i = 0; i < 60; i++)
        CHECK(isxdigit((unsigned char)one[i]));
    CHECK(strcmp(one, two) != 0);
}

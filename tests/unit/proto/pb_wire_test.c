/* Writing messages within messages, and reading them back. */
#include "proto/pb/wire.h"

#include "support/test.h"

TEST(pb_wire_messages_nest)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    struct pb_reader r;
    struct pb_field_value v;
    size_t outer = pb_begin(&out, 1);
    size_t inner = pb_begin(&out, 2);

    for (int i = 0; i < 100; i++) /* a length of two bytes */
        pb_put_uint(&out, 3, 300);
    pb_end(&out, inner);
    pb_put_double(&out, 4, 1.5);
    pb_put_text(&out, 5, STR("a\xff"));
    pb_end(&out, outer);
    r = pb_reader_of(buf_str(&out));
    CHECK_EQ(pb_next(&r, &v), 1);
    CHECK_EQ(v.number, 1);
    CHECK_EQ(pb_next(&r, &(struct pb_field_value){0}), 0);
    r = pb_reader_of(v.bytes);
    CHECK_EQ(pb_next(&r, &v), 1);
    CHECK_EQ(v.number, 2);
    CHECK_EQ(v.bytes.len, 300);
    CHECK_EQ(pb_next(&r, &v), 1);
    CHECK_EQ(v.number_value, 0x3ff8000000000000);
    CHECK_EQ(pb_next(&r, &v), 1);
    CHECK(str_eq_c(v.bytes, "a?"));
    CHECK_EQ(pb_next(&r, &v), 0);
    buf_deinit(&out);
}

TEST(pb_wire_empty_message)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    pb_end(&out, pb_begin(&out, 1));
    CHECK_EQ(out.len, 2);
    CHECK_EQ(out.data[1], 0);
    buf_deinit(&out);
}

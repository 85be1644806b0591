/* Schemas from descriptors: names, links, and bytes that are none. */
#include "base/err.h"
#include "proto/pb/schema.h"
#include "proto/pb/wire.h"
#include "support/pb_types.h"
#include "support/test.h"

TEST(pb_schema_knows_names_and_kinds)
{
    struct pb_schema s;
    const struct pb_message *all;
    const struct pb_field *f;

    pb_types_load(&s);
    all = pb_schema_message(&s, STR("t.All"));
    CHECK(all != NULL);
    f = pb_field_by_name(all, STR("manyNumbers"));
    CHECK(f && f == pb_field_by_name(all, STR("many_numbers")));
    CHECK(f == pb_field_by_number(all, 20));
    CHECK(f->repeated && f->packed && !f->has_presence);
    f = pb_field_by_name(all, STR("maybe_number"));
    CHECK(f && f->has_presence && f->oneof == -1);
    f = pb_field_by_number(all, 23);
    CHECK(f && f->message && f->message->is_map_entry);
    CHECK_EQ(pb_schema_message(&s, STR("google.protobuf.Any"))->well_known, PB_ANY);
    CHECK_EQ(pb_schema_message(&s, STR("google.protobuf.Int64Value"))->well_known, PB_WRAPPER);
    CHECK(!pb_schema_message(&s, STR("t.Nope")));
    CHECK(!pb_field_by_number(all, 999));
    pb_schema_deinit(&s);
}

TEST(pb_schema_names_what_is_missing)
{
    struct buf file = BUF_INIT(SIZE_MAX);
    struct diag d = DIAG_INIT;
    struct pb_schema s;

    pb_schema_init(&s);
    pb_types_describe(STR("message t.A\nt.B b 1\n"), &file);
    CHECK_EQ(pb_schema_add_file(&s, buf_str(&file), &d), 0);
    CHECK_EQ(pb_schema_resolve(&s, &d), ERR_NOT_FOUND);
    CHECK_TEXT(d.message, "type 't.B' of t.A.b is not defined");
    diag_deinit(&d);
    buf_deinit(&file);
    pb_schema_deinit(&s);
}

/* Every file cut short, and every byte changed: an error or a schema, never a crash. */
TEST(pb_schema_survives_broken_descriptors)
{
    struct buf file = BUF_INIT(SIZE_MAX);

    pb_types_describe(str_of(pb_types_all), &file);
    for (size_t i = 0; i < file.len; i++) {
        struct pb_schema s;
        char kept = file.data[i];

        pb_schema_init(&s);
        if (pb_schema_add_file(&s, str_slice(buf_str(&file), 0, i), NULL) == 0)
            CHECK(pb_schema_resolve(&s, NULL) <= 0);
        pb_schema_deinit(&s);
        pb_schema_init(&s);
        file.data[i] = (char)(kept ^ 0x55);
        if (pb_schema_add_set(&s, buf_str(&file), NULL) == 0 &&
            pb_schema_add_file(&s, buf_str(&file), NULL) == 0)
            CHECK(pb_schema_resolve(&s, NULL) <= 0);
        file.data[i] = kept;
        pb_schema_deinit(&s);
    }
    buf_deinit(&file);
}

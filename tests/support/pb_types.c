#include "support/pb_types.h"

#include "base/ensure.h"
#include "proto/pb/schema.h"
#include "proto/pb/wire.h"

const char pb_types_all[] = "enum t.Color\n"
                            "RED 0\n"
                            "GREEN 1\n"
                            "BLUE -2\n"
                            "message t.Node\n"
                            "int32 n 1\n"
                            "t.Node next 2\n"
                            "repeated t.Node kids 3\n"
                            "message t.Pick\n"
                            "oneof int32 number 1\n"
                            "oneof string text_form 2\n"
                            "oneof t.Node node 3\n"
                            "oneof google.protobuf.Value any_value 4\n"
                            "message t.All\n"
                            "double d 1\n"
                            "float f 2\n"
                            "int64 i64 3\n"
                            "uint64 u64 4\n"
                            "int32 i32 5\n"
                            "fixed64 fx64 6\n"
                            "fixed32 fx32 7\n"
                            "bool yes 8\n"
                            "string text 9\n"
                            "bytes raw 12\n"
                            "uint32 u32 13\n"
                            "=t.Color color 14\n"
                            "sfixed32 sf32 15\n"
                            "sfixed64 sf64 16\n"
                            "sint32 s32 17\n"
                            "sint64 s64 18\n"
                            "optional int32 maybe_number 19\n"
                            "repeated int32 many_numbers 20\n"
                            "repeated string many_texts 21\n"
                            "repeated =t.Color colors 22\n"
                            "map string int32 by_name 23\n"
                            "map int64 string by_id 24\n"
                            "map bool t.Node by_flag 25\n"
                            "t.Node node 26\n"
                            "t.Pick pick 27\n"
                            "google.protobuf.Timestamp at 30\n"
                            "google.protobuf.Duration took 31\n"
                            "google.protobuf.Struct object 32\n"
                            "google.protobuf.Value value 33\n"
                            "google.protobuf.ListValue list 34\n"
                            "google.protobuf.FieldMask mask 35\n"
                            "google.protobuf.Any any 36\n"
                            "google.protobuf.Empty empty 37\n"
                            "google.protobuf.Int64Value boxed 38\n"
                            "google.protobuf.StringValue boxed_text 39\n"
                            "google.protobuf.BytesValue boxed_raw 40\n"
                            "=google.protobuf.NullValue nothing 41\n"
                            "repeated google.protobuf.Timestamp times 42\n"
                            "enum google.protobuf.NullValue\n"
                            "NULL_VALUE 0\n"
                            "message google.protobuf.Timestamp\n"
                            "int64 seconds 1\n"
                            "int32 nanos 2\n"
                            "message google.protobuf.Duration\n"
                            "int64 seconds 1\n"
                            "int32 nanos 2\n"
                            "message google.protobuf.Struct\n"
                            "map string google.protobuf.Value fields 1\n"
                            "message google.protobuf.Value\n"
                            "oneof =google.protobuf.NullValue null_value 1\n"
                            "oneof double number_value 2\n"
                            "oneof string string_value 3\n"
                            "oneof bool bool_value 4\n"
                            "oneof google.protobuf.Struct struct_value 5\n"
                            "oneof google.protobuf.ListValue list_value 6\n"
                            "message google.protobuf.ListValue\n"
                            "repeated google.protobuf.Value values 1\n"
                            "message google.protobuf.FieldMask\n"
                            "repeated string paths 1\n"
                            "message google.protobuf.Any\n"
                            "string type_url 1\n"
                            "bytes value 2\n"
                            "message google.protobuf.Empty\n"
                            "message google.protobuf.Int64Value\n"
                            "int64 value 1\n"
                            "message google.protobuf.StringValue\n"
                            "string value 1\n"
                            "message google.protobuf.BytesValue\n"
                            "bytes value 1\n";

static const char *const scalars[] = {NULL,       "double",   "float",   "int64",  "uint64",
                                      "int32",    "fixed64",  "fixed32", "bool",   "string",
                                      NULL,       NULL,       "bytes",   "uint32", NULL,
                                      "sfixed32", "sfixed64", "sint32",  "sint64"};

enum { LABEL_OPTIONAL = 1, LABEL_REPEATED = 3 };

static void put_number(struct buf *out, uint32_t field, int64_t value)
{
    pb_put_tag(out, field, PB_VARINT);
    pb_put_varint(out, (uint64_t)value);
}

static void put_nested(struct buf *out, uint32_t field, struct buf *inner)
{
    pb_put_bytes(out, field, buf_str(inner));
    buf_deinit(inner);
}

static void put_type(struct buf *out, struct str type)
{
    struct buf name = BUF_INIT(SIZE_MAX);
    bool is_enum = type.ptr[0] == '=';

    for (size_t i = 0; i < COUNT_OF(scalars); i++) {
        if (scalars[i] && str_eq_c(type, scalars[i])) {
            put_number(out, 5, (int64_t)i);
            return;
        }
    }
    put_number(out, 5, is_enum ? PB_TYPE_ENUM : PB_TYPE_MESSAGE);
    buf_printf(&name, ".%.*s", STR_ARG(str_from_index(type, is_enum ? 1 : 0)));
    put_nested(out, 6, &name);
}

static void put_field(struct buf *message, struct str label, struct str type, struct str name,
                      struct str number)
{
    struct buf field = BUF_INIT(SIZE_MAX);
    int64_t value = 0;

    ensure(str_to_i64(number, &value));
    pb_put_bytes(&field, 1, name);
    put_number(&field, 3, value);
    put_number(&field, 4, str_eq_c(label, "repeated") ? LABEL_REPEATED : LABEL_OPTIONAL);
    put_type(&field, type);
    if (str_eq_c(label, "oneof"))
        put_number(&field, 9, 0);
    if (str_eq_c(label, "optional")) {
        put_number(&field, 9, 1);
        put_number(&field, 17, 1);
    }
    put_nested(message, 2, &field);
}

/* The field, and the entry type, which stands in the message as protoc has it. */
static void put_map(struct buf *message, struct str owner, struct str rest)
{
    struct str key = str_cut(&rest, ' ');
    struct str value = str_cut(&rest, ' ');
    struct str name = str_cut(&rest, ' ');
    struct buf entry = BUF_INIT(SIZE_MAX);
    struct buf entry_name = BUF_INIT(SIZE_MAX);
    struct buf options = BUF_INIT(SIZE_MAX);

    pb_put_bytes(&entry, 1, name);
    put_field(&entry, STR(""), key, STR("key"), STR("1"));
    put_field(&entry, STR(""), value, STR("value"), STR("2"));
    put_number(&options, 7, 1);
    put_nested(&entry, 7, &options);
    put_nested(message, 3, &entry);
    buf_printf(&entry_name, "%.*s.%.*s", STR_ARG(owner), STR_ARG(name));
    put_field(message, STR("repeated"), buf_str(&entry_name), name, rest);
    buf_deinit(&entry_name);
}

static void put_line(struct buf *type, struct str owner, struct str line, bool is_enum)
{
    struct str rest = line;
    struct str first = str_cut(&rest, ' ');
    struct buf value = BUF_INIT(SIZE_MAX);
    int64_t number = 0;

    if (is_enum) {
        ensure(str_to_i64(rest, &number));
        pb_put_bytes(&value, 1, first);
        put_number(&value, 2, number);
        put_nested(type, 2, &value);
    } else if (str_eq_c(first, "map")) {
        put_map(type, owner, rest);
    } else {
        bool has_label =
            str_eq_c(first, "repeated") || str_eq_c(first, "optional") || str_eq_c(first, "oneof");
        struct str label = has_label ? first : STR("");
        struct str type_name = has_label ? str_cut(&rest, ' ') : first;
        struct str name = str_cut(&rest, ' ');

        put_field(type, label, type_name, name, rest);
    }
}

void pb_types_describe(struct str text, struct buf *out)
{
    struct buf type = BUF_INIT(SIZE_MAX);
    struct str owner = {NULL, 0};
    bool is_enum = false;

    pb_put_bytes(out, 1, STR("test.proto"));
    pb_put_bytes(out, 12, STR("proto3"));
    while (text.len > 0) {
        struct str line = str_cut(&text, '\n');
        bool begins_enum = str_starts_with(line, STR("enum "));

        if (begins_enum || str_starts_with(line, STR("message "))) {
            if (owner.len > 0)
                pb_put_bytes(out, is_enum ? 5 : 4, buf_str(&type));
            buf_reset(&type);
            is_enum = begins_enum;
            owner = str_from_index(line, is_enum ? 5 : 8);
            pb_put_bytes(&type, 1, owner);
        } else if (line.len > 0) {
            put_line(&type, owner, line, is_enum);
        }
    }
    if (owner.len > 0)
        pb_put_bytes(out, is_enum ? 5 : 4, buf_str(&type));
    buf_deinit(&type);
}

void pb_types_load(struct pb_schema *s)
{
    struct buf file = BUF_INIT(SIZE_MAX);

    pb_schema_init(s);
    pb_types_describe(str_of(pb_types_all), &file);
    ensure(pb_schema_add_file(s, buf_str(&file), NULL) == 0);
    ensure(pb_schema_resolve(s, NULL) == 0);
    buf_deinit(&file);
}

/* Protocol Buffers ↔ JSON, by the proto3 JSON mapping (protobuf.dev/programming-guides/json). */
#include <jansson.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "proto/pb/json.h"
#include "proto/pb/schema.h"
#include "proto/pb/wire.h"
#include "support/pb_types.h"
#include "support/test.h"

static struct pb_schema schema;

static const struct pb_message *type(const char *name)
{
    if (!map_first(&schema.files))
        pb_types_load(&schema);
    return pb_schema_message(&schema, str_of(name));
}

/* The wire form of a JSON text; the caller frees it. */
static int to_wire(const char *name, const char *text, struct buf *out, struct diag *d)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    int err;

    CHECK(json != NULL);
    err = pb_from_json(&schema, type(name), json, out, d);
    json_decref(json);
    return err;
}

static void check_round(const char *name, const char *text, const char *want)
{
    struct buf wire = BUF_INIT(SIZE_MAX);
    struct buf json = BUF_INIT(SIZE_MAX);

    CHECK(type(name) != NULL);
    CHECK_EQ(to_wire(name, text, &wire, NULL), 0);
    CHECK_EQ(pb_to_json(&schema, type(name), buf_str(&wire), &json, NULL), 0);
    buf_append(&json, "", 1);
    CHECK_TEXT(json.data, want);
    buf_deinit(&wire);
    buf_deinit(&json);
}

/* One member of t.All, which has many: it is found in what comes back. */
static void check_member(const char *text, const char *want)
{
    struct buf wire = BUF_INIT(SIZE_MAX);
    struct buf json = BUF_INIT(SIZE_MAX);

    CHECK(type("t.All") != NULL);
    CHECK_EQ(to_wire("t.All", text, &wire, NULL), 0);
    CHECK_EQ(pb_to_json(&schema, type("t.All"), buf_str(&wire), &json, NULL), 0);
    if (str_find_str(buf_str(&json), str_of(want)) < 0) {
        buf_append(&json, "", 1);
        CHECK_TEXT(json.data, want);
    }
    buf_deinit(&wire);
    buf_deinit(&json);
}

static void check_refused(const char *name, const char *text, const char *message)
{
    struct buf wire = BUF_INIT(SIZE_MAX);
    struct diag d = DIAG_INIT;

    CHECK(type(name) != NULL);
    CHECK(to_wire(name, text, &wire, &d) < 0);
    CHECK_TEXT(d.message, message);
    diag_deinit(&d);
    buf_deinit(&wire);
}

/* Bytes given as hex. */
static int from_hex(const char *name, const char *hex, struct buf *json, struct diag *d)
{
    struct buf wire = BUF_INIT(SIZE_MAX);
    unsigned byte;
    int err;

    CHECK(type(name) != NULL);
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        buf_append_char(&wire, (char)byte);
    err = pb_to_json(&schema, type(name), buf_str(&wire), json, d);
    buf_deinit(&wire);
    return err;
}

static void check_wire(const char *name, const char *hex, const char *want)
{
    struct buf json = BUF_INIT(SIZE_MAX);

    CHECK_EQ(from_hex(name, hex, &json, NULL), 0);
    buf_append(&json, "", 1);
    CHECK_TEXT(json.data, want);
    buf_deinit(&json);
}

static void check_garbage(const char *name, const char *hex, const char *message)
{
    struct buf json = BUF_INIT(SIZE_MAX);
    struct diag d = DIAG_INIT;

    CHECK(from_hex(name, hex, &json, &d) < 0);
    CHECK_TEXT(d.message, message);
    diag_deinit(&d);
    buf_deinit(&json);
}

TEST(pb_defaults_are_written)
{
    check_round("t.Node", "{}", "{\"n\":0,\"next\":null,\"kids\":[]}");
    check_round("t.Node", "null", "{\"n\":0,\"next\":null,\"kids\":[]}");
    check_round("t.Pick", "{}", "{}");
    check_member("{}", "\"d\":0,\"f\":0,\"i64\":\"0\",\"u64\":\"0\",\"i32\":0,\"fx64\":\"0\"");
    check_member("{}", "\"yes\":false,\"text\":\"\",\"raw\":\"\",\"u32\":0,\"color\":\"RED\"");
    check_member("{}", "\"s64\":\"0\",\"manyNumbers\":[]"); /* no maybeNumber */
    check_member("{\"maybeNumber\":0}", "\"maybeNumber\":0");
    check_member("{}", "\"byName\":{},\"byId\":{},\"byFlag\":{},\"node\":null");
}

TEST(pb_numbers)
{
    check_member("{\"i64\":\"-9223372036854775808\",\"u64\":\"18446744073709551615\"}",
                 "\"i64\":\"-9223372036854775808\",\"u64\":\"18446744073709551615\"");
    check_member("{\"i64\":9007199254740993}", "\"i64\":\"9007199254740993\"");
    check_member("{\"i32\":-2147483648,\"s32\":-1,\"u32\":4294967295}", "\"i32\":-2147483648");
    check_member("{\"s32\":-2147483648,\"s64\":\"-9223372036854775808\"}",
                 "\"s32\":-2147483648,\"s64\":\"-9223372036854775808\"");
    check_member("{\"fx64\":\"18446744073709551615\",\"fx32\":4294967295}",
                 "\"fx64\":\"18446744073709551615\",\"fx32\":4294967295");
    check_member("{\"sf32\":-2147483648,\"sf64\":-1}", "\"sf32\":-2147483648,\"sf64\":\"-1\"");
    check_member("{\"i32\":\"1e2\",\"u32\":1.0}", "\"i32\":100");
    check_member("{\"d\":0.1,\"f\":0.1}", "\"d\":0.1,\"f\":0.1");
    check_member("{\"d\":\"NaN\",\"f\":\"-Infinity\"}", "\"d\":\"NaN\",\"f\":\"-Infinity\"");
    check_member("{\"d\":\"1.5\",\"f\":3.4028234663852886e38}", "\"d\":1.5,\"f\":3.4028235e+38");
    check_refused("t.All", "{\"i32\":2147483648}", "i32: expected a number in the type's range");
    check_refused("t.All", "{\"i32\":1.5}", "i32: expected a whole number");
    check_refused("t.All", "{\"u32\":-1}", "u32: expected a number that is not negative");
    check_refused("t.All", "{\"u64\":\"18446744073709551616\"}",
                  "u64: expected a number in the type's range");
    check_refused("t.All", "{\"i64\":\"9223372036854775808\"}", "i64: expected a smaller number");
    check_refused("t.All", "{\"f\":1e39}", "f: expected a number in the type's range");
    check_refused("t.All", "{\"d\":\"x\"}", "d: expected a number");
    check_refused("t.All", "{\"yes\":1}", "yes: expected true or false");
}

TEST(pb_text_and_bytes)
{
    check_member("{\"text\":\"\\u00e4 \\\"\\\\\\n\"}", "\"text\":\"\xc3\xa4 \\\"\\\\\\u000a\"");
    check_member("{\"raw\":\"-_-_\"}", "\"raw\":\"+/+/\""); /* the URL's alphabet is read too */
    check_member("{\"raw\":\"YQ\"}", "\"raw\":\"YQ==\"");
    check_refused("t.All", "{\"raw\":\"*\"}", "raw: expected a string of base64");
    check_refused("t.All", "{\"text\":1}", "text: expected a string");
    check_garbage("t.All", "4a01ff", "text: the string is not UTF-8");
}

TEST(pb_enums)
{
    check_member("{\"color\":\"GREEN\"}", "\"color\":\"GREEN\"");
    check_member("{\"color\":-2}", "\"color\":\"BLUE\"");
    check_member("{\"color\":77}", "\"color\":77");
    check_member("{\"colors\":[\"BLUE\",0,77]}", "\"colors\":[\"BLUE\",\"RED\",77]");
    check_member("{\"nothing\":null}", "\"nothing\":null");
    check_refused("t.All", "{\"color\":\"PINK\"}", "color: 'PINK' is no value of enum t.Color");
    check_refused("t.All", "{\"colors\":[0,\"x\"]}",
                  "colors: [1]: 'x' is no value of enum t.Color");
}

TEST(pb_repeated_and_maps)
{
    check_member("{\"manyNumbers\":[1,-1,3],\"many_texts\":[\"a\",\"\"]}",
                 "\"manyNumbers\":[1,-1,3],\"manyTexts\":[\"a\",\"\"]");
    check_member("{\"byName\":{\"a\":1,\"\":2}}", "\"byName\":{\"a\":1,\"\":2}");
    check_member("{\"byId\":{\"-5\":\"x\"}}", "\"byId\":{\"-5\":\"x\"}");
    check_member("{\"byFlag\":{\"true\":{\"n\":1}}}",
                 "\"byFlag\":{\"true\":{\"n\":1,\"next\":null,\"kids\":[]}}");
    check_refused("t.All", "{\"byId\":{\"x\":\"y\"}}", "byId: [\"x\"]: expected a whole number");
    check_refused("t.All", "{\"byName\":[]}", "byName: expected an object");
    check_refused("t.All", "{\"manyNumbers\":1}", "manyNumbers: expected an array");
    check_refused("t.All", "{\"node\":{\"kids\":[{\"n\":\"x\"}]}}",
                  "node: kids: [0]: n: expected a whole number");
    check_refused("t.All", "{\"nope\":1}", "message t.All has no field 'nope'");
    check_refused("t.All", "[]", "expected an object");
    /* packed, not packed, and both */
    check_wire("t.Node", "08071a020801",
               "{\"n\":7,\"next\":null,\"kids\":[{\"n\":1,\"next\":null,"
               "\"kids\":[]}]}");
    check_wire("google.protobuf.FieldMask", "0a01610a03625f63", "\"a,bC\"");
}

TEST(pb_oneofs)
{
    check_round("t.Pick", "{\"number\":0}", "{\"number\":0}");
    check_round("t.Pick", "{\"textForm\":\"x\",\"number\":null}", "{\"textForm\":\"x\"}");
    check_round("t.Pick", "{\"anyValue\":null}", "{\"anyValue\":null}");
    check_refused("t.Pick", "{\"number\":1,\"text_form\":\"x\"}",
                  "number: its oneof has 'textForm' as well: give one of them");
    check_wire("t.Pick", "08011201780802", "{\"number\":2}"); /* the last one counts */
    check_wire("t.Pick", "0801120178", "{\"textForm\":\"x\"}");
}

TEST(pb_times)
{
    check_member("{\"at\":\"1972-01-01T10:00:20.021Z\"}", "\"at\":\"1972-01-01T10:00:20.021Z\"");
    check_member("{\"at\":\"2024-02-29T23:59:59.999999999+01:30\"}",
                 "\"at\":\"2024-02-29T22:29:59.999999999Z\"");
    check_member("{\"at\":\"0001-01-01T00:00:00Z\"}", "\"at\":\"0001-01-01T00:00:00Z\"");
    check_member("{\"at\":\"9999-12-31T23:59:59Z\"}", "\"at\":\"9999-12-31T23:59:59Z\"");
    check_member("{\"took\":\"-0.5s\"}", "\"took\":\"-0.500s\"");
    check_member("{\"took\":\"1.000340012s\"}", "\"took\":\"1.000340012s\"");
    check_member("{\"times\":[\"1970-01-01T00:00:00Z\"]}", "\"times\":[\"1970-01-01T00:00:00Z\"]");
    check_refused("t.All", "{\"at\":\"2023-02-29T00:00:00Z\"}",
                  "at: expected a time as in \"2026-01-31T23:59:59Z\"");
    check_refused("t.All", "{\"at\":\"0001-01-01T00:00:00+01:00\"}",
                  "at: expected a time as in \"2026-01-31T23:59:59Z\"");
    check_refused("t.All", "{\"at\":1}", "at: expected a time as in \"2026-01-31T23:59:59Z\"");
    check_refused("t.All", "{\"took\":\"1\"}", "took: expected a duration as in \"1.5s\"");
    check_refused("t.All", "{\"took\":\"315576000001s\"}",
                  "took: expected a duration as in \"1.5s\"");
    check_garbage("google.protobuf.Timestamp", "08ffffffffffffffff7f",
                  "a google.protobuf.Timestamp out of range");
    check_garbage("google.protobuf.Duration", "080110ffffffffffffffffff01",
                  "a google.protobuf.Duration out of range");
}

TEST(pb_json_values)
{
    check_member("{\"object\":{\"a\":[1,\"x\",null,true,{\"b\":{}}]}}",
                 "\"object\":{\"a\":[1,\"x\",null,true,{\"b\":{}}]}");
    check_member("{\"value\":null}", "\"value\":null");
    check_member("{\"value\":[1.5,[]]}", "\"value\":[1.5,[]]");
    check_member("{\"list\":[false,\"\"]}", "\"list\":[false,\"\"]");
    check_round("google.protobuf.Value", "{\"k\":1}", "{\"k\":1}");
    check_refused("t.All", "{\"object\":[]}", "object: expected an object");
}

TEST(pb_wrappers_masks_empty)
{
    check_member("{\"boxed\":\"7\",\"boxedText\":\"\",\"boxedRaw\":\"AA==\"}",
                 "\"boxed\":\"7\",\"boxedText\":\"\",\"boxedRaw\":\"AA==\"");
    check_member("{\"boxed\":0}", "\"boxed\":\"0\"");
    check_member("{\"boxed\":null}", "\"boxed\":null");
    check_member("{\"empty\":{}}", "\"empty\":{}");
    check_member("{\"mask\":\"user.displayName,photo\"}", "\"mask\":\"user.displayName,photo\"");
    check_member("{\"mask\":\"a\\\\b\"}", "\"mask\":\"a\\\\b\"");
    check_refused("t.All", "{\"empty\":{\"a\":1}}",
                  "empty: message google.protobuf.Empty has no field 'a'");
}

TEST(pb_any)
{
    check_member("{\"any\":{\"@type\":\"type.test/t.Pick\",\"number\":5}}",
                 "\"any\":{\"@type\":\"type.test/t.Pick\",\"number\":5}");
    check_member("{\"any\":{\"@type\":\"type.test/t.Pick\"}}",
                 "\"any\":{\"@type\":\"type.test/t.Pick\" }");
    check_member("{\"any\":{\"@type\":\"x/google.protobuf.Duration\",\"value\":\"1s\"}}",
                 "\"any\":{\"@type\":\"x/google.protobuf.Duration\",\"value\":\"1s\"}");
    check_member("{\"any\":{}}", "\"any\":{}");
    check_refused("t.All", "{\"any\":{\"@type\":\"x/t.No\"}}",
                  "any: message type 'x/t.No' is not loaded");
    check_refused("t.All", "{\"any\":{\"a\":1}}", "any: expected an object with \"@type\"");
}

/* {"next":{"next":...}} with `depth` messages in all. */
static char *nested_json(unsigned depth)
{
    struct buf b = BUF_INIT(SIZE_MAX);

    for (unsigned i = 1; i < depth; i++)
        buf_append_c(&b, "{\"next\":");
    buf_append_c(&b, "{}");
    for (unsigned i = 1; i < depth; i++)
        buf_append_char(&b, '}');
    return buf_take(&b);
}

TEST(pb_nesting_is_limited)
{
    struct buf wire = BUF_INIT(SIZE_MAX);
    struct buf json = BUF_INIT(SIZE_MAX);
    struct diag d = DIAG_INIT;
    char *text = nested_json(PB_MAX_DEPTH);

    CHECK(type("t.Node") != NULL);
    CHECK_EQ(to_wire("t.Node", text, &wire, NULL), 0);
    CHECK_EQ(pb_to_json(&schema, type("t.Node"), buf_str(&wire), &json, NULL), 0);
    mem_free(text);

    text = nested_json(PB_MAX_DEPTH + 1);
    buf_reset(&wire);
    CHECK_EQ(to_wire("t.Node", text, &wire, &d), ERR_LIMIT);
    CHECK(str_ends_with(str_of(d.message), STR("messages are nested more than 100 deep")));
    diag_deinit(&d);
    mem_free(text);

    buf_reset(&wire);
    for (unsigned i = 0; i < PB_MAX_DEPTH; i++) {
        struct buf outer = BUF_INIT(SIZE_MAX);

        pb_put_bytes(&outer, 2, buf_str(&wire));
        buf_deinit(&wire);
        wire = outer;
    }
    buf_reset(&json);
    CHECK_EQ(pb_to_json(&schema, type("t.Node"), buf_str(&wire), &json, &d), ERR_LIMIT);
    diag_deinit(&d);
    buf_deinit(&wire);
    buf_deinit(&json);
}

TEST(pb_size_is_limited)
{
    struct buf small = BUF_INIT(8);
    struct diag d = DIAG_INIT;

    CHECK(type("t.All") != NULL);
    CHECK_EQ(to_wire("t.All", "{\"text\":\"longer than that\"}", &small, &d), ERR_LIMIT);
    CHECK_TEXT(d.message, "the message is larger than its limit");
    diag_deinit(&d);
    buf_reset(&small);
    CHECK_EQ(pb_to_json(&schema, type("t.Node"), STR(""), &small, NULL), ERR_LIMIT);
    buf_deinit(&small);
}

TEST(pb_garbage_is_refused)
{
    static const char *const bad[] = {
        "08",                       /* a tag and no value */
        "0800ff",                   /* half a tag */
        "1205aa",                   /* less than announced */
        "12ffffffffffffffffff01",   /* a length past everything */
        "08ffffffffffffffffffffff", /* a varint without end */
        "00",                       /* field 0 */
        "0f",                       /* no such wire type */
        "23",                       /* a group without its end */
        "24",                       /* an end without its group */
        "11aabb",                   /* half a fixed64 */
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_garbage("t.Node", bad[i], "the bytes are no message of type t.Node");
    check_garbage("t.Node", "0a00", "n: wrong wire type");
    check_garbage("t.All", "a20103ffffff", "many_numbers: malformed packed field");
    check_garbage("t.All", "b80101", "the bytes are no message of type t.All.by_name");
    check_garbage("google.protobuf.Any", "0a01ff",
                  "the bytes are no message of type "
                  "google.protobuf.Any");
    check_garbage("google.protobuf.FieldMask", "0a01ff",
                  "the bytes are no message of type "
                  "google.protobuf.FieldMask");
    check_wire("t.Pick", "f8ff7f01", "{}");     /* an unknown field is passed over */
    check_wire("t.Pick", "a3080801a408", "{}"); /* an unknown group too */
}

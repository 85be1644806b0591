/* layer: proto
 *
 * Wire to JSON and JSON to wire, over a message with every kind of field: what a wire form is
 * written as is JSON, and what that is read as is written in the same way. The first byte chooses
 * the direction. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "proto/pb/json.h"
#include "proto/pb/schema.h"
#include "support/pb_types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_JSON = 16 * 1024 * 1024 };

static struct pb_schema schema;

/* JSON of ours, read and written once more, is the same. */
static void check_again(const struct pb_message *m, struct str text)
{
    json_error_t why;
    json_t *json = json_loadb(text.ptr, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    struct buf wire = BUF_INIT(SIZE_MAX);
    struct buf again = BUF_INIT(SIZE_MAX);

    /* jansson takes no key with a NUL in it, which is JSON all the same. */
    ensure(json || json_error_code(&why) == json_error_null_byte_in_key);
    if (json && pb_from_json(&schema, m, json, &wire, NULL) == 0)
        ensure(pb_to_json(&schema, m, buf_str(&wire), &again, NULL) == 0);
    json_decref(json);
    buf_deinit(&wire);
    buf_deinit(&again);
}

static void read_wire(const struct pb_message *m, struct str bytes)
{
    struct buf text = BUF_INIT(MAX_JSON);
    struct diag d = DIAG_INIT;

    if (pb_to_json(&schema, m, bytes, &text, &d) == 0)
        check_again(m, buf_str(&text));
    else
        ensure(d.message);
    diag_deinit(&d);
    buf_deinit(&text);
}

static void read_json(const struct pb_message *m, struct str text)
{
    json_t *json = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);
    struct buf wire = BUF_INIT(SIZE_MAX);
    struct diag d = DIAG_INIT;

    if (json && pb_from_json(&schema, m, json, &wire, &d) == 0)
        read_wire(m, buf_str(&wire));
    else
        ensure(!json || d.message);
    json_decref(json);
    diag_deinit(&d);
    buf_deinit(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"t.All", "google.protobuf.Value", "google.protobuf.Any",
                                        "t.Pick"};
    const struct pb_message *m;
    struct str rest;

    if (!map_first(&schema.files))
        pb_types_load(&schema);
    if (size == 0)
        return 0;
    m = pb_schema_message(&schema, str_of(names[data[0] / 2 % 4]));
    rest = str_from((const char *)data + 1, size - 1);
    if (data[0] % 2)
        read_json(m, rest);
    else
        read_wire(m, rest);
    return 0;
}

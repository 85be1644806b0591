/* JSON to wire: a walk over the JSON value with the message type beside it. A message in a message
 * is built in a buffer of its own, since its length comes first. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/pb/json.h"
#include "proto/pb/schema.h"
#include "proto/pb/well_known.h"
#include "proto/pb/wire.h"

struct encoder {
    const struct pb_schema *schema;
    struct diag *d;
    unsigned depth;
};

static int put_message(struct encoder *e, const struct pb_message *m, const json_t *json,
                       struct buf *out);

static struct str text_of(const json_t *json)
{
    return str_from(json_string_value(json), json_string_length(json));
}

static int expected(struct encoder *e, const char *what)
{
    return diag_set(e->d, ERR_INVALID, "expected %s", what);
}

/* --- numbers ------------------------------------------------------------------------------ */

/* A whole number from a JSON integer, a real without a fraction, or a string of either. */
static bool whole_number(const json_t *json, double *real, bool *is_integer, int64_t *integer,
                         uint64_t *unsigned_integer)
{
    *is_integer = true;
    if (json_is_integer(json)) {
        *integer = json_integer_value(json);
        *unsigned_integer = (uint64_t)*integer;
        return true;
    }
    if (json_is_string(json)) {
        struct str text = text_of(json);

        if (str_to_i64(text, integer)) {
            *unsigned_integer = (uint64_t)*integer;
            return true;
        }
        if (str_to_u64(text, unsigned_integer)) {
            *integer = INT64_MAX;
            return true;
        }
        *is_integer = false;
        return str_to_double(text, real) && *real == trunc(*real);
    }
    *is_integer = false;
    *real = json_real_value(json);
    return json_is_real(json) && *real == trunc(*real);
}

static int get_signed(struct encoder *e, const json_t *json, int64_t min, int64_t max, int64_t *out)
{
    double real = 0;
    bool is_integer;
    uint64_t u = 0;

    if (!whole_number(json, &real, &is_integer, out, &u))
        return expected(e, "a whole number");
    if (is_integer && *out == INT64_MAX && u > (uint64_t)INT64_MAX)
        return expected(e, "a smaller number");
    if (!is_integer) {
        if (!(real >= -0x1p63 && real < 0x1p63))
            return expected(e, "a smaller number");
        *out = (int64_t)real;
    }
    return *out < min || *out > max ? expected(e, "a number in the type's range") : 0;
}

static int get_unsigned(struct encoder *e, const json_t *json, uint64_t max, uint64_t *out)
{
    double real = 0;
    bool is_integer;
    int64_t i = 0;

    if (!whole_number(json, &real, &is_integer, &i, out))
        return expected(e, "a whole number");
    if (is_integer && i < 0)
        return expected(e, "a number that is not negative");
    if (!is_integer) {
        if (!(real >= 0 && real < 0x1p64))
            return expected(e, "a number in the type's range");
        *out = (uint64_t)real;
    }
    return *out > max ? expected(e, "a number in the type's range") : 0;
}

static int get_double(struct encoder *e, const json_t *json, double *out)
{
    struct str text;

    if (json_is_number(json)) {
        *out = json_number_value(json);
        return 0;
    }
    if (!json_is_string(json))
        return expected(e, "a number");
    text = text_of(json);
    if (str_eq_c(text, "NaN"))
        *out = (double)NAN;
    else if (str_eq_c(text, "Infinity"))
        *out = (double)INFINITY;
    else if (str_eq_c(text, "-Infinity"))
        *out = -(double)INFINITY;
    else if (!str_to_double(text, out))
        return expected(e, "a number");
    return 0;
}

/* --- scalars ------------------------------------------------------------------------------ */

static int put_signed(struct encoder *e, enum pb_type type, const json_t *json, struct buf *out)
{
    bool narrow = type == PB_TYPE_INT32 || type == PB_TYPE_SINT32 || type == PB_TYPE_SFIXED32;
    int64_t value = 0;
    int err =
        get_signed(e, json, narrow ? INT32_MIN : INT64_MIN, narrow ? INT32_MAX : INT64_MAX, &value);

    if (err)
        return err;
    if (type == PB_TYPE_SFIXED32)
        pb_put_fixed32(out, (uint32_t)value);
    else if (type == PB_TYPE_SFIXED64)
        pb_put_fixed64(out, (uint64_t)value);
    else if (type == PB_TYPE_SINT32 || type == PB_TYPE_SINT64)
        pb_put_varint(out, pb_zigzag(value));
    else
        pb_put_varint(out, (uint64_t)value);
    return 0;
}

static int put_unsigned(struct encoder *e, enum pb_type type, const json_t *json, struct buf *out)
{
    bool narrow = type == PB_TYPE_UINT32 || type == PB_TYPE_FIXED32;
    uint64_t value = 0;
    int err = get_unsigned(e, json, narrow ? UINT32_MAX : UINT64_MAX, &value);

    if (err)
        return err;
    if (type == PB_TYPE_FIXED32)
        pb_put_fixed32(out, (uint32_t)value);
    else if (type == PB_TYPE_FIXED64)
        pb_put_fixed64(out, value);
    else
        pb_put_varint(out, value);
    return 0;
}

static int put_real(struct encoder *e, enum pb_type type, const json_t *json, struct buf *out)
{
    double value = 0;
    float narrow;
    uint32_t bits32;
    uint64_t bits64;
    int err = get_double(e, json, &value);

    if (err)
        return err;
    if (type == PB_TYPE_DOUBLE) {
        memcpy(&bits64, &value, sizeof bits64);
        pb_put_fixed64(out, bits64);
        return 0;
    }
    if (isfinite(value) && fabs(value) > (double)3.4028235677973366e38F)
        return expected(e, "a number in the type's range");
    narrow = (float)value;
    memcpy(&bits32, &narrow, sizeof bits32);
    pb_put_fixed32(out, bits32);
    return 0;
}

static int put_text(struct encoder *e, enum pb_type type, const json_t *json, struct buf *out)
{
    struct buf bytes = BUF_INIT(SIZE_MAX);
    int err = 0;

    if (!json_is_string(json))
        return expected(e, type == PB_TYPE_BYTES ? "a string of base64" : "a string");
    if (type == PB_TYPE_STRING) {
        pb_put_varint(out, json_string_length(json));
        buf_append_str(out, text_of(json));
        return 0;
    }
    if (base64_decode(text_of(json), &bytes)) {
        pb_put_varint(out, bytes.len);
        buf_append_str(out, buf_str(&bytes));
    } else {
        err = expected(e, "a string of base64");
    }
    buf_deinit(&bytes);
    return err;
}

static int put_enum(struct encoder *e, const struct pb_enum *type, const json_t *json,
                    struct buf *out)
{
    const struct pb_enum_value *value = type->values;
    int64_t number = 0;
    int err;

    if (json_is_null(json) && str_eq_c(type->name, "google.protobuf.NullValue")) {
        pb_put_varint(out, 0);
        return 0;
    }
    if (json_is_string(json)) {
        while (value && !str_eq(value->name, text_of(json)))
            value = value->next;
        if (!value)
            return diag_set(e->d, ERR_INVALID, "'%s' is no value of enum %.*s",
                            json_string_value(json), STR_ARG(type->name));
        number = value->number;
    } else {
        err = get_signed(e, json, INT32_MIN, INT32_MAX, &number);
        if (err)
            return err;
    }
    pb_put_varint(out, (uint64_t)number);
    return 0;
}

static int put_nested(struct encoder *e, const struct pb_message *m, const json_t *json,
                      struct buf *out)
{
    struct buf inner = BUF_INIT(SIZE_MAX);
    int err = put_message(e, m, json, &inner);

    if (err == 0) {
        pb_put_varint(out, inner.len);
        buf_append_str(out, buf_str(&inner));
    }
    buf_deinit(&inner);
    return err;
}

/* The value without its tag. */
static int put_value(struct encoder *e, const struct pb_field *f, const json_t *json,
                     struct buf *out)
{
    switch (f->type) {
    case PB_TYPE_DOUBLE:
    case PB_TYPE_FLOAT:
        return put_real(e, f->type, json, out);
    case PB_TYPE_INT64:
    case PB_TYPE_INT32:
    case PB_TYPE_SINT32:
    case PB_TYPE_SINT64:
    case PB_TYPE_SFIXED32:
    case PB_TYPE_SFIXED64:
        return put_signed(e, f->type, json, out);
    case PB_TYPE_UINT64:
    case PB_TYPE_UINT32:
    case PB_TYPE_FIXED64:
    case PB_TYPE_FIXED32:
        return put_unsigned(e, f->type, json, out);
    case PB_TYPE_BOOL:
        if (!json_is_boolean(json))
            return expected(e, "true or false");
        pb_put_varint(out, json_is_true(json));
        return 0;
    case PB_TYPE_STRING:
    case PB_TYPE_BYTES:
        return put_text(e, f->type, json, out);
    case PB_TYPE_ENUM:
        return put_enum(e, f->enumeration, json, out);
    case PB_TYPE_MESSAGE:
        return put_nested(e, f->message, json, out);
    case PB_TYPE_GROUP:
        return put_message(e, f->message, json, out);
    }
    return expected(e, "a known field type");
}

static enum pb_wire_type wire_type(enum pb_type type)
{
    switch (type) {
    case PB_TYPE_DOUBLE:
    case PB_TYPE_FIXED64:
    case PB_TYPE_SFIXED64:
        return PB_FIXED64;
    case PB_TYPE_FLOAT:
    case PB_TYPE_FIXED32:
    case PB_TYPE_SFIXED32:
        return PB_FIXED32;
    case PB_TYPE_STRING:
    case PB_TYPE_BYTES:
    case PB_TYPE_MESSAGE:
        return PB_BYTES;
    case PB_TYPE_GROUP:
        return PB_GROUP;
    default:
        return PB_VARINT;
    }
}

static int put_single(struct encoder *e, const struct pb_field *f, const json_t *json,
                      struct buf *out)
{
    int err;

    pb_put_tag(out, f->number, wire_type(f->type));
    err = put_value(e, f, json, out);
    if (f->type == PB_TYPE_GROUP)
        pb_put_tag(out, f->number, PB_GROUP_END);
    return err;
}

/* --- repeated fields and maps ------------------------------------------------------------- */

static int put_repeated(struct encoder *e, const struct pb_field *f, const json_t *json,
                        struct buf *out)
{
    struct buf packed = BUF_INIT(SIZE_MAX);
    size_t i;
    json_t *item;
    int err = 0;

    if (!json_is_array(json))
        return expected(e, "an array");
    json_array_foreach(json, i, item)
    {
        err = f->packed ? put_value(e, f, item, &packed) : put_single(e, f, item, out);
        if (err) {
            diag_prefix(e->d, "[%zu]", i);
            break;
        }
    }
    if (err == 0 && packed.len > 0)
        pb_put_bytes(out, f->number, buf_str(&packed));
    buf_deinit(&packed);
    return err;
}

/* A map's key arrives as text whatever its type; booleans are the words. */
static int put_key(struct encoder *e, const struct pb_field *key, const char *text, struct buf *out)
{
    json_t *json;
    int err;

    if (key->type == PB_TYPE_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        json = json_boolean(text[0] == 't');
    else
        json = json_string(text);
    err = put_single(e, key, json, out);
    json_decref(json);
    return err;
}

static int put_map(struct encoder *e, const struct pb_field *f, const json_t *json, struct buf *out)
{
    const struct pb_field *key_field = pb_field_by_number(f->message, 1);
    const struct pb_field *value_field = pb_field_by_number(f->message, 2);
    const char *key;
    json_t *value;

    if (!json_is_object(json) || !key_field || !value_field)
        return expected(e, "an object");
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        struct buf entry = BUF_INIT(SIZE_MAX);
        int err = put_key(e, key_field, key, &entry);

        if (err == 0)
            err = put_single(e, value_field, value, &entry);
        if (err == 0)
            pb_put_bytes(out, f->number, buf_str(&entry));
        buf_deinit(&entry);
        if (err) {
            diag_prefix(e->d, "[\"%s\"]", key);
            return err;
        }
    }
    return 0;
}

/* --- well-known types --------------------------------------------------------------------- */

static int put_time(struct encoder *e, const struct pb_message *m, const json_t *json,
                    struct buf *out)
{
    bool is_timestamp = m->well_known == PB_TIMESTAMP;
    int64_t seconds;
    int32_t nanos;

    if (!json_is_string(json) ||
        !(is_timestamp ? pb_timestamp_parse : pb_duration_parse)(text_of(json), &seconds, &nanos))
        return expected(e, is_timestamp ? "a time as in \"2026-01-31T23:59:59Z\""
                                        : "a duration as in \"1.5s\"");
    if (seconds != 0) {
        pb_put_tag(out, 1, PB_VARINT);
        pb_put_varint(out, (uint64_t)seconds);
    }
    if (nanos != 0) {
        pb_put_tag(out, 2, PB_VARINT);
        pb_put_varint(out, (uint64_t)(int64_t)nanos);
    }
    return 0;
}

/* "user.displayName,photo" as paths "user.display_name" and "photo". */
static int put_field_mask(struct encoder *e, const json_t *json, struct buf *out)
{
    struct str rest;

    if (!json_is_string(json))
        return expected(e, "a string of paths");
    rest = text_of(json);
    while (rest.len > 0) {
        struct str path = str_cut(&rest, ',');
        struct buf snake = BUF_INIT(SIZE_MAX);

        for (size_t i = 0; i < path.len; i++) {
            char c = path.ptr[i];

            if (c >= 'A' && c <= 'Z')
                buf_printf(&snake, "_%c", c + 32);
            else
                buf_append_char(&snake, c);
        }
        pb_put_bytes(out, 1, buf_str(&snake));
        buf_deinit(&snake);
    }
    return 0;
}

/* google.protobuf.Value: the field to fill is what the JSON value is. */
static int put_json_value(struct encoder *e, const struct pb_message *m, const json_t *json,
                          struct buf *out)
{
    static const struct {
        json_type type;
        uint32_t field;
    } fields[] = {{JSON_NULL, 1}, {JSON_REAL, 2},  {JSON_INTEGER, 2}, {JSON_STRING, 3},
                  {JSON_TRUE, 4}, {JSON_FALSE, 4}, {JSON_OBJECT, 5},  {JSON_ARRAY, 6}};

    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const struct pb_field *f = pb_field_by_number(m, fields[i].field);

        if (json_typeof(json) == fields[i].type && f)
            return put_single(e, f, json, out);
    }
    return expected(e, "a JSON value");
}

static int put_any(struct encoder *e, const json_t *json, struct buf *out)
{
    const json_t *type = json_object_get(json, "@type");
    struct str url = text_of(type);
    const struct pb_message *m;
    struct buf inner = BUF_INIT(SIZE_MAX);
    json_t *rest;
    int err;

    if (!json_is_object(json) || !json_is_string(type))
        return json_is_object(json) && json_object_size(json) == 0
                   ? 0
                   : expected(e, "an object with \"@type\"");
    m = pb_schema_message(e->schema, str_from_index(url, (size_t)(str_rfind(url, '/') + 1)));
    if (!m)
        return diag_set(e->d, ERR_NOT_FOUND, "message type '%.*s' is not loaded", STR_ARG(url));
    if (m->well_known != PB_PLAIN && m->well_known != PB_EMPTY) {
        json_t *value = json_object_get(json, "value");

        err = value ? put_message(e, m, value, &inner) : expected(e, "\"value\"");
    } else {
        rest = json_copy((json_t *)(uintptr_t)json);
        json_object_del(rest, "@type");
        err = put_message(e, m, rest, &inner);
        json_decref(rest);
    }
    if (err == 0) {
        pb_put_bytes(out, 1, url);
        pb_put_bytes(out, 2, buf_str(&inner));
    }
    buf_deinit(&inner);
    return err;
}

static int put_well_known(struct encoder *e, const struct pb_message *m, const json_t *json,
                          struct buf *out)
{
    const struct pb_field *first = m->fields;

    switch (m->well_known) {
    case PB_ANY:
        return put_any(e, json, out);
    case PB_TIMESTAMP:
    case PB_DURATION:
        return put_time(e, m, json, out);
    case PB_FIELD_MASK:
        return put_field_mask(e, json, out);
    case PB_STRUCT:
        return first ? put_map(e, first, json, out) : 0;
    case PB_LIST_VALUE:
        return first ? put_repeated(e, first, json, out) : 0;
    case PB_VALUE:
        return put_json_value(e, m, json, out);
    case PB_WRAPPER:
        return first ? put_single(e, first, json, out) : 0;
    case PB_PLAIN:
    case PB_EMPTY:
        break;
    }
    return 0;
}

/* --- messages ----------------------------------------------------------------------------- */

static bool takes_null(const struct pb_field *f)
{
    return (f->type == PB_TYPE_MESSAGE && f->message->well_known == PB_VALUE && !f->repeated) ||
           (f->type == PB_TYPE_ENUM && str_eq_c(f->enumeration->name, "google.protobuf.NullValue"));
}

/* Another member of the field's oneof with a value in the same object; NULL: none. */
static const struct pb_field *rival_of(const struct pb_message *m, const struct pb_field *f,
                                       const json_t *object)
{
    for (const struct pb_field *g = m->fields; g && f->oneof >= 0; g = g->next) {
        const json_t *value;

        if (g == f || g->oneof != f->oneof)
            continue;
        value = json_object_get(object, g->json_name.ptr);
        if (!value)
            value = json_object_get(object, g->name.ptr);
        if (value && (!json_is_null(value) || takes_null(g)))
            return g;
    }
    return NULL;
}

static int put_field(struct encoder *e, const struct pb_message *m, const json_t *object,
                     const char *name, struct buf *out)
{
    const struct pb_field *f = pb_field_by_name(m, str_of(name));
    const json_t *value = json_object_get(object, name);
    const struct pb_field *rival;
    int err;

    if (!f)
        return diag_set(e->d, ERR_INVALID, "message %.*s has no field '%s'", STR_ARG(m->name),
                        name);
    if (json_is_null(value) && !takes_null(f))
        return 0;
    rival = rival_of(m, f, object);
    if (rival)
        return diag_set(e->d, ERR_INVALID, "%s: its oneof has '%.*s' as well: give one of them",
                        name, STR_ARG(rival->json_name));
    if (f->repeated && f->message && f->message->is_map_entry)
        err = put_map(e, f, value, out);
    else if (f->repeated)
        err = put_repeated(e, f, value, out);
    else
        err = put_single(e, f, value, out);
    if (err)
        diag_prefix(e->d, "%s", name);
    return err;
}

static int put_message(struct encoder *e, const struct pb_message *m, const json_t *json,
                       struct buf *out)
{
    const char *name;
    json_t *value;
    int err = 0;

    if (e->depth >= PB_MAX_DEPTH)
        return diag_set(e->d, ERR_LIMIT, "messages are nested more than %d deep", PB_MAX_DEPTH);
    e->depth++;
    if (m->well_known != PB_PLAIN && m->well_known != PB_EMPTY) {
        err = put_well_known(e, m, json, out);
    } else if (json_is_object(json)) {
        json_object_foreach((json_t *)(uintptr_t)json, name, value)
        {
            (void)value;
            err = put_field(e, m, json, name, out);
            if (err)
                break;
        }
    } else if (!json_is_null(json)) {
        err = expected(e, "an object");
    }
    e->depth--;
    if (err == 0 && buf_is_over(out))
        err = diag_set(e->d, ERR_LIMIT, "the message is larger than its limit");
    return err;
}

int pb_from_json(const struct pb_schema *s, const struct pb_message *m, const json_t *json,
                 struct buf *out, struct diag *d)
{
    struct encoder e = {s, d, 0};

    return put_message(&e, m, json, out);
}

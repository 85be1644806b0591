/* Wire to JSON text. A message is scanned once to gather its fields by number, then written in the
 * order of their declaration: the wire may hold them in any order and repeat them. */
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

struct decoder {
    const struct pb_schema *schema;
    struct diag *d;
    unsigned depth;
    struct buf *out;
};

static int write_message(struct decoder *c, const struct pb_message *m, struct str bytes);

static int malformed(struct decoder *c, const struct pb_message *m)
{
    return diag_set(c->d, ERR_SYNTAX, "the bytes are no message of type %.*s", STR_ARG(m->name));
}

static void write_string(struct buf *out, struct str s)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];

        if (ch == '"' || ch == '\\')
            buf_printf(out, "\\%c", ch);
        else if (ch < 0x20)
            buf_printf(out, "\\u%04x", ch);
        else
            buf_append_char(out, (char)ch);
    }
    buf_append_char(out, '"');
}

/* --- scalars ------------------------------------------------------------------------------ */

static void write_real(struct buf *out, double value, bool narrow)
{
    char text[40];

    if (isnan(value)) {
        buf_append_c(out, "\"NaN\"");
    } else if (isinf(value)) {
        buf_append_c(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else {
        /* The fewest digits that read back as the same number. */
        for (int digits = narrow ? 6 : 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, value);
            if (narrow ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
                break;
        }
        buf_append_c(out, text);
    }
}

static void write_enum(struct buf *out, const struct pb_enum *type, int32_t number)
{
    const struct pb_enum_value *value = type->values;

    while (value && value->number != number)
        value = value->next;
    if (str_eq_c(type->name, "google.protobuf.NullValue"))
        buf_append_c(out, "null");
    else if (value)
        write_string(out, value->name);
    else
        buf_printf(out, "%d", number);
}

static void write_float_bits(struct buf *out, enum pb_type type, uint64_t bits)
{
    uint32_t bits32 = (uint32_t)bits;
    double value;
    float narrow;

    if (type == PB_TYPE_DOUBLE) {
        memcpy(&value, &bits, sizeof value);
        write_real(out, value, false);
    } else {
        memcpy(&narrow, &bits32, sizeof narrow);
        write_real(out, (double)narrow, true);
    }
}

static void write_number(struct buf *out, const struct pb_field *f, uint64_t value)
{
    switch (f->type) {
    case PB_TYPE_DOUBLE:
    case PB_TYPE_FLOAT:
        write_float_bits(out, f->type, value);
        break;
    case PB_TYPE_INT32:
    case PB_TYPE_SFIXED32:
        buf_printf(out, "%d", (int32_t)value);
        break;
    case PB_TYPE_SINT32:
        buf_printf(out, "%d", (int32_t)pb_unzigzag((uint32_t)value));
        break;
    case PB_TYPE_UINT32:
    case PB_TYPE_FIXED32:
        buf_printf(out, "%u", (uint32_t)value);
        break;
    case PB_TYPE_INT64:
    case PB_TYPE_SFIXED64:
        buf_printf(out, "\"%lld\"", (long long)value);
        break;
    case PB_TYPE_SINT64:
        buf_printf(out, "\"%lld\"", (long long)pb_unzigzag(value));
        break;
    case PB_TYPE_UINT64:
    case PB_TYPE_FIXED64:
        buf_printf(out, "\"%llu\"", (unsigned long long)value);
        break;
    case PB_TYPE_BOOL:
        buf_append_c(out, value ? "true" : "false");
        break;
    case PB_TYPE_ENUM:
        write_enum(out, f->enumeration, (int32_t)value);
        break;
    default:
        break;
    }
}

static bool is_length_delimited(enum pb_type type)
{
    return type == PB_TYPE_STRING || type == PB_TYPE_BYTES || type == PB_TYPE_MESSAGE ||
           type == PB_TYPE_GROUP;
}

static int write_bytes(struct decoder *c, const struct pb_field *f, struct str bytes)
{
    if (f->type == PB_TYPE_MESSAGE || f->type == PB_TYPE_GROUP)
        return write_message(c, f->message, bytes);
    if (f->type == PB_TYPE_STRING) {
        if (!str_is_utf8(bytes))
            return diag_set(c->d, ERR_SYNTAX, "%.*s: the string is not UTF-8", STR_ARG(f->name));
        write_string(c->out, bytes);
    } else {
        buf_append_char(c->out, '"');
        base64_encode(bytes, BASE64_STD, true, c->out);
        buf_append_char(c->out, '"');
    }
    return 0;
}

static int write_value(struct decoder *c, const struct pb_field *f, const struct pb_field_value *v)
{
    bool delimited = v->type == PB_BYTES || v->type == PB_GROUP;

    if (delimited != is_length_delimited(f->type))
        return diag_set(c->d, ERR_SYNTAX, "%.*s: wrong wire type", STR_ARG(f->name));
    if (delimited)
        return write_bytes(c, f, v->bytes);
    write_number(c->out, f, v->number_value);
    return 0;
}

/* --- fields of a message ------------------------------------------------------------------ */

struct found {
    struct pb_field_value *values;
    size_t count;
    size_t cap;
    const struct pb_field **chosen; /* by oneof: the member that came last; NULL: no oneof at all */
};

static int gather(struct str bytes, struct found *found)
{
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_field_value v;
    int more;

    while ((more = pb_next(&r, &v)) > 0) {
        if (found->count == found->cap) {
            found->cap = found->cap ? found->cap * 2 : 16;
            found->values = mem_reallocarray(found->values, found->cap, sizeof *found->values);
        }
        found->values[found->count++] = v;
    }
    return more;
}

static const struct pb_field_value *last_of(const struct found *found, uint32_t number)
{
    for (size_t i = found->count; i-- > 0;) {
        if (found->values[i].number == number)
            return &found->values[i];
    }
    return NULL;
}

/* Several occurrences of a message field merge: their bytes in a row are the merged message. */
static int write_merged(struct decoder *c, const struct pb_field *f, const struct found *found)
{
    struct buf merged = BUF_INIT(SIZE_MAX);
    int err;

    for (size_t i = 0; i < found->count; i++) {
        if (found->values[i].number == f->number)
            buf_append_str(&merged, found->values[i].bytes);
    }
    err = write_message(c, f->message, buf_str(&merged));
    buf_deinit(&merged);
    return err;
}

static int write_packed(struct decoder *c, const struct pb_field *f, struct str bytes, bool *first)
{
    struct pb_reader r = pb_reader_of(bytes);

    while (r.at < r.end) {
        uint64_t value = 0;
        uint32_t narrow = 0;
        bool ok;

        if (f->type == PB_TYPE_DOUBLE || f->type == PB_TYPE_FIXED64 || f->type == PB_TYPE_SFIXED64)
            ok = pb_read_fixed64(&r, &value);
        else if (f->type == PB_TYPE_FLOAT || f->type == PB_TYPE_FIXED32 ||
                 f->type == PB_TYPE_SFIXED32)
            ok = pb_read_fixed32(&r, &narrow);
        else
            ok = pb_read_varint(&r, &value);
        if (!ok)
            return diag_set(c->d, ERR_SYNTAX, "%.*s: malformed packed field", STR_ARG(f->name));
        if (!*first)
            buf_append_char(c->out, ',');
        *first = false;
        write_number(c->out, f, value | narrow);
    }
    return 0;
}

static int write_repeated(struct decoder *c, const struct pb_field *f, const struct found *found)
{
    bool first = true;
    int err = 0;

    buf_append_char(c->out, '[');
    for (size_t i = 0; i < found->count && err == 0; i++) {
        const struct pb_field_value *v = &found->values[i];

        if (v->number != f->number)
            continue;
        if (v->type == PB_BYTES && !is_length_delimited(f->type)) {
            err = write_packed(c, f, v->bytes, &first);
            continue;
        }
        if (!first)
            buf_append_char(c->out, ',');
        first = false;
        err = write_value(c, f, v);
    }
    buf_append_char(c->out, ']');
    return err;
}

static int write_default(struct decoder *c, const struct pb_field *f)
{
    if (f->type == PB_TYPE_STRING || f->type == PB_TYPE_BYTES) {
        buf_append_c(c->out, "\"\"");
        return 0;
    }
    if (is_length_delimited(f->type))
        return write_message(c, f->message, (struct str){NULL, 0});
    if (f->type == PB_TYPE_ENUM && f->enumeration->values)
        write_enum(c->out, f->enumeration, f->enumeration->values->number);
    else
        write_number(c->out, f, 0);
    return 0;
}

static int write_entry(struct decoder *c, const struct pb_message *m, struct str bytes)
{
    const struct pb_field *key = pb_field_by_number(m, 1);
    const struct pb_field *value = pb_field_by_number(m, 2);
    struct found found = {NULL, 0, 0, NULL};
    const struct pb_field_value *v;
    size_t from = c->out->len;
    int err = gather(bytes, &found);

    if (err || !key || !value) {
        mem_free(found.values);
        return malformed(c, m);
    }
    v = last_of(&found, 1);
    err = v ? write_value(c, key, v) : write_default(c, key);
    if (err == 0 && c->out->len > from && c->out->data[from] != '"') { /* keys are strings */
        struct str text = buf_str(c->out);
        char *bare = str_dup(str_from_index(text, from));

        c->out->len = from;
        buf_printf(c->out, "\"%s\"", bare);
        mem_free(bare);
    }
    buf_append_char(c->out, ':');
    v = last_of(&found, 2);
    if (err == 0)
        err = v ? write_value(c, value, v) : write_default(c, value);
    mem_free(found.values);
    return err;
}

static int write_map(struct decoder *c, const struct pb_field *f, const struct found *found)
{
    bool first = true;
    int err = 0;

    buf_append_char(c->out, '{');
    for (size_t i = 0; i < found->count && err == 0; i++) {
        const struct pb_field_value *v = &found->values[i];

        if (v->number != f->number)
            continue;
        if (!first)
            buf_append_char(c->out, ',');
        first = false;
        err = v->type == PB_BYTES ? write_entry(c, f->message, v->bytes) : malformed(c, f->message);
    }
    buf_append_char(c->out, '}');
    return err;
}

static int write_field(struct decoder *c, const struct pb_field *f, const struct found *found)
{
    const struct pb_field_value *v = last_of(found, f->number);

    if (f->repeated && f->message && f->message->is_map_entry)
        return write_map(c, f, found);
    if (f->repeated)
        return write_repeated(c, f, found);
    if (v && (f->type == PB_TYPE_MESSAGE || f->type == PB_TYPE_GROUP))
        return write_merged(c, f, found);
    if (v)
        return write_value(c, f, v);
    if (f->has_presence) {
        buf_append_c(c->out, "null");
        return 0;
    }
    return write_default(c, f);
}

/* --- well-known types --------------------------------------------------------------------- */

static int write_time(struct decoder *c, const struct pb_message *m, const struct found *found)
{
    const struct pb_field_value *seconds = last_of(found, 1);
    const struct pb_field_value *nanos = last_of(found, 2);
    int64_t s = seconds ? (int64_t)seconds->number_value : 0;
    int32_t n = nanos ? (int32_t)nanos->number_value : 0;
    bool ok;

    buf_append_char(c->out, '"');
    ok = m->well_known == PB_TIMESTAMP ? pb_timestamp_format(s, n, c->out)
                                       : pb_duration_format(s, n, c->out);
    buf_append_char(c->out, '"');
    return ok ? 0 : diag_set(c->d, ERR_INVALID, "a %.*s out of range", STR_ARG(m->name));
}

/* "display_name" as "displayName". */
static void append_camel(struct buf *out, struct str path)
{
    bool upper = false;

    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];

        if (c == '_') {
            upper = true;
            continue;
        }
        buf_append_char(out, upper && c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
        upper = false;
    }
}

static int write_field_mask(struct decoder *c, const struct pb_message *m,
                            const struct found *found)
{
    struct buf paths = BUF_INIT(SIZE_MAX);
    bool first = true;
    int err = 0;

    for (size_t i = 0; i < found->count; i++) {
        if (found->values[i].number != 1)
            continue;
        if (!first)
            buf_append_char(&paths, ',');
        first = false;
        append_camel(&paths, found->values[i].bytes);
    }
    if (str_is_utf8(buf_str(&paths)))
        write_string(c->out, buf_str(&paths));
    else
        err = malformed(c, m);
    buf_deinit(&paths);
    return err;
}

static int write_json_value(struct decoder *c, const struct pb_message *m,
                            const struct found *found)
{
    const struct pb_field_value *v = found->count ? &found->values[found->count - 1] : NULL;
    const struct pb_field *f = v ? pb_field_by_number(m, v->number) : NULL;

    if (f)
        return write_value(c, f, v);
    buf_append_c(c->out, "null");
    return 0;
}

static int write_any(struct decoder *c, const struct pb_message *any, const struct found *found)
{
    const struct pb_field_value *url = last_of(found, 1);
    const struct pb_field_value *value = last_of(found, 2);
    struct str bytes = value ? value->bytes : (struct str){NULL, 0};
    const struct pb_message *m;
    size_t at;
    int err;

    if (!url) {
        buf_append_c(c->out, "{}");
        return 0;
    }
    m = pb_schema_message(c->schema,
                          str_from_index(url->bytes, (size_t)(str_rfind(url->bytes, '/') + 1)));
    if (!str_is_utf8(url->bytes))
        return malformed(c, any);
    if (!m)
        return diag_set(c->d, ERR_NOT_FOUND, "%.*s: message type '%.*s' is not loaded",
                        STR_ARG(any->name), STR_ARG(url->bytes));
    buf_append_c(c->out, "{\"@type\":");
    write_string(c->out, url->bytes);
    if (m->well_known != PB_PLAIN && m->well_known != PB_EMPTY) {
        buf_append_c(c->out, ",\"value\":");
        err = write_message(c, m, bytes);
        buf_append_char(c->out, '}');
        return err;
    }
    at = c->out->len;
    err = write_message(c, m, bytes); /* its "{" becomes the "," between, or nothing */
    if (err == 0 && c->out->len > at + 2)
        c->out->data[at] = ',';
    else if (err == 0)
        c->out->data[at] = ' ';
    return err;
}

static int write_well_known(struct decoder *c, const struct pb_message *m,
                            const struct found *found)
{
    const struct pb_field *first = m->fields;
    const struct pb_field_value *v = last_of(found, 1);

    switch (m->well_known) {
    case PB_ANY:
        return write_any(c, m, found);
    case PB_TIMESTAMP:
    case PB_DURATION:
        return write_time(c, m, found);
    case PB_FIELD_MASK:
        return write_field_mask(c, m, found);
    case PB_STRUCT:
        return first ? write_map(c, first, found) : 0;
    case PB_LIST_VALUE:
        return first ? write_repeated(c, first, found) : 0;
    case PB_VALUE:
        return write_json_value(c, m, found);
    case PB_WRAPPER:
        return first ? (v ? write_value(c, first, v) : write_default(c, first)) : 0;
    case PB_PLAIN:
    case PB_EMPTY:
        break;
    }
    return 0;
}

/* --- messages ----------------------------------------------------------------------------- */

/* Fields with presence are written as null when unset, but for members of a oneof and optional
 * scalars, which are left out. */
static bool is_left_out(const struct pb_field *f, const struct found *found)
{
    if (f->oneof >= 0)
        return !found->chosen || found->chosen[f->oneof] != f;
    if (last_of(found, f->number) || f->repeated || !f->has_presence)
        return false;
    return f->type != PB_TYPE_MESSAGE && f->type != PB_TYPE_GROUP;
}

/* Of a oneof the member that came last counts (protobuf.dev/programming-guides/encoding). */
static void choose_members(const struct pb_message *m, struct found *found)
{
    int oneofs = 0;

    for (const struct pb_field *f = m->fields; f; f = f->next) {
        if (f->oneof >= oneofs)
            oneofs = f->oneof + 1;
    }
    if (oneofs == 0)
        return;
    found->chosen = mem_calloc((size_t)oneofs, sizeof(found->chosen[0]));
    for (size_t i = 0; i < found->count; i++) {
        const struct pb_field *f = pb_field_by_number(m, found->values[i].number);

        if (f && f->oneof >= 0)
            found->chosen[f->oneof] = f;
    }
}

static int write_plain(struct decoder *c, const struct pb_message *m, struct found *found)
{
    bool first = true;
    int err = 0;

    choose_members(m, found);
    buf_append_char(c->out, '{');
    for (const struct pb_field *f = m->fields; f && err == 0; f = f->next) {
        if (is_left_out(f, found))
            continue;
        if (!first)
            buf_append_char(c->out, ',');
        first = false;
        write_string(c->out, f->json_name);
        buf_append_char(c->out, ':');
        err = write_field(c, f, found);
    }
    buf_append_char(c->out, '}');
    mem_free((void *)found->chosen);
    return err;
}

static int write_message(struct decoder *c, const struct pb_message *m, struct str bytes)
{
    struct found found = {NULL, 0, 0, NULL};
    int err;

    if (c->depth >= PB_MAX_DEPTH)
        return diag_set(c->d, ERR_LIMIT, "messages are nested more than %d deep", PB_MAX_DEPTH);
    c->depth++;
    err = gather(bytes, &found);
    if (err)
        err = malformed(c, m);
    else if (m->well_known != PB_PLAIN && m->well_known != PB_EMPTY)
        err = write_well_known(c, m, &found);
    else
        err = write_plain(c, m, &found);
    mem_free(found.values);
    c->depth--;
    if (err == 0 && buf_is_over(c->out))
        err = diag_set(c->d, ERR_LIMIT, "the message is larger than its limit");
    return err;
}

int pb_to_json(const struct pb_schema *s, const struct pb_message *m, struct str bytes,
               struct buf *out, struct diag *d)
{
    struct decoder c = {s, d, 0, out};

    return write_message(&c, m, bytes);
}

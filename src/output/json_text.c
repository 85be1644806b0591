#include "output/json_text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- numbers ------------------------------------------------------------------------------ */

/* The fewest digits that read back to the value, as "d.ddde±xx". 17 always suffice; trying fewer
 * than 15 only adds zeros, but for subnormal values, which have less precision. */
static void shortest(double value, char *text, size_t size)
{
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        double back;

        snprintf(text, size, "%.*e", digits - 1, value);
        back = strtod(text, NULL);
        if (!(back < value) && !(back > value))
            return;
    }
}

/* Go's rule for JSON: plain between 1e-6 and 1e21, else with an exponent. */
void json_text_number(struct buf *out, double value)
{
    char text[40];
    char *mark;
    int exponent;
    int digits;

    if (!isfinite(value)) {
        buf_append_c(out, "null");
        return;
    }
    if (fabs(value) < 1e15 && !(trunc(value) < value) && !(trunc(value) > value)) {
        buf_printf(out, "%lld", (long long)value);
        return;
    }
    shortest(value, text, sizeof text);
    mark = strchr(text, 'e');
    exponent = (int)strtol(mark + 1, NULL, 10);
    while (mark[-1] == '0')
        mark--;
    if (mark[-1] == '.')
        mark--;
    *mark = '\0';
    digits = (int)(mark - text) - (value < 0) - (strchr(text, '.') ? 1 : 0);
    if (exponent < -6 || exponent >= 21)
        buf_printf(out, "%se%s%d", text, exponent < 0 ? "" : "+", exponent);
    else
        buf_printf(out, "%.*f", digits - 1 > exponent ? digits - 1 - exponent : 0, value);
}

/* --- strings ------------------------------------------------------------------------------ */

/* Bytes of the well-formed UTF-8 sequence that `s` begins with; 0: there is none. */
static size_t sequence(struct str s)
{
    size_t most = s.len < 4 ? s.len : 4;

    for (size_t len = 1; len <= most; len++) {
        if (str_is_utf8(str_slice(s, 0, len)))
            return len;
    }
    return 0;
}

static void put_special(struct buf *out, unsigned char c)
{
    static const char *const names[] = {
        ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t",
    };

    if (c == '"' || c == '\\')
        buf_printf(out, "\\%c", c);
    else if (c < COUNT_OF(names) && names[c])
        buf_append_c(out, names[c]);
    else
        buf_printf(out, "\\u%04x", c);
}

void json_text_string(struct buf *out, struct str s)
{
    bool clean = str_is_utf8(s);
    size_t from = 0; /* what is not written yet begins there */

    buf_append_char(out, '"');
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.ptr[i];
        size_t len = clean || c < 0x80 ? 1 : sequence(str_from_index(s, i));

        if (len > 0 && c >= 0x20 && c != '"' && c != '\\') {
            i += len;
            continue;
        }
        buf_append(out, s.ptr + from, i - from);
        if (len == 0)
            buf_append_c(out, "\xef\xbf\xbd");
        else
            put_special(out, c);
        from = ++i;
    }
    buf_append(out, s.ptr + from, s.len - from);
    buf_append_char(out, '"');
}

/* --- values ------------------------------------------------------------------------------- */

static void put_break(struct buf *out, size_t indent, size_t level)
{
    if (indent == 0)
        return;
    buf_append_char(out, '\n');
    for (size_t i = 0; i < indent * level; i++)
        buf_append_char(out, ' ');
}

static void put_value(struct buf *out, const json_t *json, size_t indent, size_t level);

static void put_object(struct buf *out, const json_t *json, size_t indent, size_t level)
{
    json_t *object = (json_t *)(uintptr_t)json;
    const char *before = "";

    buf_append_char(out, '{');
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);

        buf_append_c(out, before);
        before = ",";
        put_break(out, indent, level + 1);
        json_text_string(out, str_of(key));
        buf_append_c(out, indent ? ": " : ":");
        put_value(out, json_object_iter_value(at), indent, level + 1);
    }
    if (json_object_size(json) > 0)
        put_break(out, indent, level);
    buf_append_char(out, '}');
}

static void put_array(struct buf *out, const json_t *json, size_t indent, size_t level)
{
    buf_append_char(out, '[');
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (i > 0)
            buf_append_char(out, ',');
        put_break(out, indent, level + 1);
        put_value(out, json_array_get(json, i), indent, level + 1);
    }
    if (json_array_size(json) > 0)
        put_break(out, indent, level);
    buf_append_char(out, ']');
}

static void put_value(struct buf *out, const json_t *json, size_t indent, size_t level)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        put_object(out, json, indent, level);
        break;
    case JSON_ARRAY:
        put_array(out, json, indent, level);
        break;
    case JSON_STRING:
        json_text_string(out, str_from(json_string_value(json), json_string_length(json)));
        break;
    case JSON_INTEGER:
        buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        break;
    case JSON_REAL:
        json_text_number(out, json_real_value(json));
        break;
    case JSON_TRUE:
        buf_append_c(out, "true");
        break;
    case JSON_FALSE:
        buf_append_c(out, "false");
        break;
    case JSON_NULL:
        buf_append_c(out, "null");
        break;
    }
}

char *json_text(const json_t *json, size_t indent)
{
    struct buf out = BUF_INIT(SIZE_MAX);

    put_value(&out, json, indent, 0);
    return buf_take(&out);
}

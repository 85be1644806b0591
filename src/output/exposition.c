#include "output/exposition.h"

#include <math.h>
#include <string.h>

#include "base/err.h"

/* What the last TYPE line was about. */
struct family {
    struct str name;
    enum exposed_kind kind;
};

static enum exposed_kind kind_of(struct str type)
{
    if (str_eq_c(type, "counter"))
        return EXPOSED_COUNTER;
    if (str_eq_c(type, "gauge"))
        return EXPOSED_GAUGE;
    if (str_eq_c(type, "histogram") || str_eq_c(type, "summary") ||
        str_eq_c(type, "gaugehistogram"))
        return EXPOSED_DISTRIBUTION;
    return EXPOSED_UNTYPED;
}

/* "# TYPE name kind"; other comments mean nothing here. */
static void read_comment(struct str line, struct family *family)
{
    struct str rest = str_trim(str_from_index(line, 1));
    struct str word = str_cut(&rest, ' ');

    if (!str_eq_c(word, "TYPE"))
        return;
    rest = str_trim(rest);
    family->name = str_cut(&rest, ' ');
    family->kind = kind_of(str_trim(rest));
}

/* Index behind the closing brace; 0: there is none. Quotes may hold braces, and escaped quotes. */
static size_t end_of_labels(struct str line, size_t at)
{
    bool quoted = false;

    for (; at < line.len; at++) {
        if (quoted && line.ptr[at] == '\\')
            at++;
        else if (line.ptr[at] == '"')
            quoted = !quoted;
        else if (!quoted && line.ptr[at] == '}')
            return at + 1;
    }
    return 0;
}

static bool read_value(struct str text, double *out)
{
    if (str_eq_nocase(text, STR("NaN")))
        *out = NAN;
    else if (str_eq_nocase(text, STR("+Inf")) || str_eq_nocase(text, STR("Inf")))
        *out = INFINITY;
    else if (str_eq_nocase(text, STR("-Inf")))
        *out = -INFINITY;
    else
        return str_to_double(text, out);
    return true;
}

static bool read_sample(struct str line, const struct family *family, struct exposed *out)
{
    size_t at = 0;
    struct str rest;

    while (at < line.len && line.ptr[at] != '{' && line.ptr[at] != ' ' && line.ptr[at] != '\t')
        at++;
    out->name = str_slice(line, 0, at);
    if (at == 0 || at == line.len)
        return false;
    if (line.ptr[at] == '{') {
        at = end_of_labels(line, at);
        if (at == 0)
            return false;
    }
    out->series = str_slice(line, 0, at);
    rest = str_trim(str_from_index(line, at));
    out->kind = family->name.len && str_starts_with(out->name, family->name) ? family->kind
                                                                             : EXPOSED_UNTYPED;
    return read_value(str_cut(&rest, ' '), &out->value);
}

int exposition_read(struct str body, void (*fn)(void *arg, const struct exposed *sample), void *arg,
                    size_t *line)
{
    struct family family = {{NULL, 0}, EXPOSED_UNTYPED};
    int count = 0;

    *line = 0;
    while (body.len > 0) {
        struct str text = str_trim(str_cut(&body, '\n'));
        struct exposed sample;

        ++*line;
        if (text.len == 0)
            continue;
        if (text.ptr[0] == '#') {
            read_comment(text, &family);
            continue;
        }
        if (!read_sample(text, &family, &sample))
            return ERR_SYNTAX;
        fn(arg, &sample);
        count++;
    }
    return count;
}

/* csv: a row per sample; the enabled system tags are columns, the other tags one column together
 * (reference: output.csv.txt; k6-features.md OUT-03, OUT-04). */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "metrics/window.h"
#include "output/output.h"
#include "output/text_file.h"

enum csv_time { CSV_UNIX, CSV_MILLI, CSV_MICRO, CSV_NANO, CSV_RFC3339, CSV_RFC3339_NANO };

struct csv_output {
    struct output base;
    struct output_context context;
    struct text_file *file;
    enum csv_time time;
};

static const char *const time_names[] = {"unix",      "unix_milli", "unix_micro",
                                         "unix_nano", "rfc3339",    "rfc3339_nano"};

/* RFC 4180: quoted only where it must be. */
static void put_field(struct buf *out, struct str s)
{
    bool plain = true;

    for (size_t i = 0; i < s.len && plain; i++)
        plain = !strchr("\",\n\r", s.ptr[i]) || s.ptr[i] == '\0';
    if (plain) {
        buf_append_str(out, s);
        return;
    }
    buf_append_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"')
            buf_append_char(out, '"');
        buf_append_char(out, s.ptr[i]);
    }
    buf_append_char(out, '"');
}

static bool is_column(const struct csv_output *o, struct str key)
{
    for (const char *const *tag = o->context.system_tags; *tag; tag++) {
        if (str_eq_c(key, *tag))
            return true;
    }
    return false;
}

/* "k=v&k2=v2" of those that have no column of their own. */
static void put_pairs(struct buf *out, const struct csv_output *o, const struct tags *tags,
                      bool all)
{
    struct buf pairs = BUF_INIT(SIZE_MAX);

    for (uint32_t i = 0; tags && i < tags->count; i++) {
        if (!all && is_column(o, tags->list[i].key))
            continue;
        buf_printf(&pairs, "%s%.*s=%.*s", pairs.len ? "&" : "", STR_ARG(tags->list[i].key),
                   STR_ARG(tags->list[i].value));
    }
    put_field(out, buf_str(&pairs));
    buf_deinit(&pairs);
}

static void put_time(struct buf *out, enum csv_time kind, int64_t wall)
{
    static const int64_t divisors[] = {NSEC_PER_SEC, NSEC_PER_MSEC, NSEC_PER_USEC, 1};
    char text[40];

    if (kind < CSV_RFC3339) {
        buf_printf(out, "%lld", (long long)(wall / divisors[kind]));
        return;
    }
    clock_rfc3339(wall, kind == CSV_RFC3339 ? 0 : 9, text, sizeof text);
    buf_append_c(out, text);
}

static void put_header(struct csv_output *o)
{
    struct buf *out = text_file_buf(o->file);

    buf_append_c(out, "metric_name,timestamp,metric_value,");
    for (const char *const *tag = o->context.system_tags; *tag; tag++)
        buf_printf(out, "%s,", *tag);
    buf_append_c(out, "extra_tags,metadata\n");
}

static void csv_window(struct output *base, const struct window *w)
{
    struct csv_output *o = CONTAINER_OF(base, struct csv_output, base);
    struct buf *out = text_file_buf(o->file);
    bool is_empty;

    for (size_t i = 0; i < w->sample_count; i++) {
        const struct sample *sample = &w->samples[i];

        buf_append_str(out, sample->series->metric->name);
        buf_append_char(out, ',');
        put_time(out, o->time, sample->wall_nsec);
        buf_printf(out, ",%f,", sample->value);
        for (const char *const *tag = o->context.system_tags; *tag; tag++) {
            put_field(out, tags_get(sample->series->tags, str_of(*tag)));
            buf_append_char(out, ',');
        }
        put_pairs(out, o, sample->series->tags, false);
        buf_append_char(out, ',');
        put_pairs(out, o, sample->meta, true);
        buf_append_char(out, '\n');
        text_file_end_row(o->file);
    }
    text_file_flush(o->file);
    if (text_file_has_lost(o->file, &is_empty) && is_empty)
        put_header(o);
}

static int csv_stop(struct output *base, struct diag *d)
{
    struct csv_output *o = CONTAINER_OF(base, struct csv_output, base);
    int err = text_file_close(o->file, d);

    o->file = NULL;
    return err;
}

static void csv_free(struct output *base)
{
    struct csv_output *o = CONTAINER_OF(base, struct csv_output, base);

    if (o->file)
        text_file_close(o->file, NULL);
    mem_free(o->base.description);
    mem_free(o);
}

static const struct output_ops csv_ops = {.window = csv_window, .stop = csv_stop, .free = csv_free};

static int parse_time(struct str name, enum csv_time *out, struct diag *d)
{
    for (size_t i = 0; i < COUNT_OF(time_names); i++) {
        if (str_eq_c(name, time_names[i])) {
            *out = (enum csv_time)i;
            return 0;
        }
    }
    return diag_set(d, ERR_INVALID,
                    "unknown timeFormat '%.*s': use unix, unix_milli, unix_micro, unix_nano, "
                    "rfc3339 or rfc3339_nano",
                    STR_ARG(name));
}

/* "file.csv" or "fileName=file.csv,timeFormat=rfc3339,saveInterval=1s". */
static int parse_arg(struct str arg, struct str *file, enum csv_time *time, struct diag *d)
{
    if (str_find(arg, '=') < 0) {
        *file = arg.len ? arg : *file;
        return 0;
    }
    while (arg.len > 0) {
        struct str value = str_cut(&arg, ',');
        struct str key = str_cut(&value, '=');

        if (str_eq_c(key, "fileName"))
            *file = value;
        else if (str_eq_c(key, "timeFormat")) {
            if (parse_time(value, time, d))
                return ERR_INVALID;
        } else if (!str_eq_c(key, "saveInterval")) /* windows come once a second */
            return diag_set(d, ERR_INVALID,
                            "unknown key '%.*s': use fileName, timeFormat or saveInterval",
                            STR_ARG(key));
    }
    return 0;
}

struct output *output_csv_new(struct str arg, const struct output_context *context, struct diag *d)
{
    const char *env_file = context->env("K6_CSV_FILENAME");
    const char *env_time = context->env("K6_CSV_TIME_FORMAT");
    struct str path = str_of(env_file ? env_file : "file.csv");
    enum csv_time time = CSV_UNIX;
    struct text_file *file;
    struct csv_output *o;

    if ((env_time && parse_time(str_of(env_time), &time, d)) || parse_arg(arg, &path, &time, d))
        return NULL;
    file = text_file_open("csv", path, &context->voice, d);
    if (!file)
        return NULL;
    o = mem_zalloc(sizeof *o);
    o->base.ops = &csv_ops;
    o->base.needs_samples = true;
    o->base.description = mem_printf("csv (%.*s)", STR_ARG(path));
    o->context = *context;
    o->file = file;
    o->time = time;
    put_header(o);
    return &o->base;
}

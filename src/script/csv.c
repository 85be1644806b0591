#include "script/csv.h"

#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

void csv_reader_init(struct csv_reader *r, struct str text, char delimiter)
{
    *r = (struct csv_reader){
        .at = text.ptr, .end = text.ptr + text.len, .delimiter = delimiter, .line = 1};
    if (str_starts_with(text, STR("\xef\xbb\xbf")))
        r->at += 3;
}

void csv_record_init(struct csv_record *record)
{
    memset(record, 0, sizeof(*record));
    buf_init(&record->text, SIZE_MAX);
}

void csv_record_deinit(struct csv_record *record)
{
    buf_deinit(&record->text);
    mem_free(record->ends);
    record->ends = NULL;
}

struct str csv_field(const struct csv_record *record, size_t i)
{
    size_t start = i > 0 ? record->ends[i - 1] : 0;

    return str_from(record->text.data ? record->text.data + start : "", record->ends[i] - start);
}

static void field_ends(struct csv_record *record)
{
    if (record->count == record->capacity) {
        record->capacity = record->capacity ? record->capacity * 2 : 16;
        record->ends = mem_realloc(record->ends, record->capacity * sizeof(record->ends[0]));
    }
    record->ends[record->count++] = record->text.len;
}

/* Steps over the end of a line; false when there is none here. */
static bool take_line_end(struct csv_reader *r)
{
    const char *at = r->at;

    if (at < r->end && *at == '\r' && at + 1 < r->end)
        at++;
    if (at == r->end || *at != '\n')
        return false;
    r->at = at + 1;
    r->line++;
    return true;
}

/* Behind the opening quote, up to behind the closing one. */
static int take_quoted(struct csv_reader *r, struct csv_record *record, struct diag *d)
{
    uint64_t begin = r->line;

    for (;;) {
        const char *quote = r->at < r->end ? memchr(r->at, '"', (size_t)(r->end - r->at)) : NULL;

        if (!quote)
            return diag_set(d, ERR_SYNTAX, "line %llu: a quoted field is not closed",
                            (unsigned long long)begin);
        for (const char *p = r->at; p < quote; p++)
            r->line += *p == '\n';
        buf_append(&record->text, r->at, (size_t)(quote - r->at));
        r->at = quote + 1;
        if (r->at == r->end || *r->at != '"')
            return 0;
        buf_append_char(&record->text, '"');
        r->at++;
    }
}

static int take_plain(struct csv_reader *r, struct csv_record *record, struct diag *d)
{
    const char *start = r->at;

    while (r->at < r->end && *r->at != r->delimiter && *r->at != '\n') {
        if (*r->at == '"')
            return diag_set(d, ERR_SYNTAX, "line %llu: a quote in a field without quotes",
                            (unsigned long long)r->line);
        r->at++;
    }
    if (r->at > start && r->at < r->end && *r->at == '\n' && r->at[-1] == '\r')
        r->at--;
    buf_append(&record->text, start, (size_t)(r->at - start));
    return 0;
}

int csv_next(struct csv_reader *r, struct csv_record *record, struct diag *d)
{
    buf_reset(&record->text);
    record->count = 0;
    while (take_line_end(r))
        ;
    if (r->at == r->end)
        return 0;
    for (;;) {
        int err;

        if (r->at < r->end && *r->at == '"') {
            r->at++;
            err = take_quoted(r, record, d);
        } else {
            err = take_plain(r, record, d);
        }
        if (err)
            return err;
        field_ends(record);
        if (r->at == r->end || take_line_end(r))
            return 1;
        if (*r->at != r->delimiter)
            return diag_set(d, ERR_SYNTAX, "line %llu: text behind the closing quote of a field",
                            (unsigned long long)r->line);
        r->at++;
    }
}

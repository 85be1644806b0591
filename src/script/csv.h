/* A reader of CSV text, RFC 4180: quoted fields with "" inside, LF or CRLF behind a record; empty
 * lines are skipped. It borrows the text. */
#ifndef SCRIPT_CSV_H
#define SCRIPT_CSV_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct csv_reader {
    const char *at;
    const char *end;
    char delimiter;
    uint64_t line; /* of the text, from 1: where the next record starts */
};

/* One record; its memory is used again by the next. */
struct csv_record {
    struct buf text; /* the fields, one behind the other */
    size_t *ends;    /* of each field in `text` */
    size_t count;
    size_t capacity;
};

void csv_reader_init(struct csv_reader *r, struct str text, char delimiter);
void csv_record_init(struct csv_record *record);
void csv_record_deinit(struct csv_record *record);

/* 1: a record was read; 0: the text is over; ERR_SYNTAX with a message: not CSV. */
MUST_USE int csv_next(struct csv_reader *r, struct csv_record *record, struct diag *d);
/* Field i < count: valid until the next csv_next. */
struct str csv_field(const struct csv_record *record, size_t i);

#endif

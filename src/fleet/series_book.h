/* The series that a process has seen in windows from others: metrics and tag sets interned, so that
 * each has one address for as long as the book lives.
 *
 * Texts have dense numbers, and a tag set is found by the numbers of its texts: a reader looks each
 * text of a message up once, and from then on a series costs two look-ups of a few integers.
 *
 * Past its limit of series (or of their texts' bytes) new values of the tags `url` and `name` fold
 * into "(other)", as in metrics/shard.h; a quarter more series than the limit is the end. */
#ifndef FLEET_SERIES_BOOK_H
#define FLEET_SERIES_BOOK_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "metrics/metric.h"
#include "metrics/window.h"

struct series_book;

enum { SERIES_BOOK_DEFAULT = 1000 * 1000, SERIES_MOST_TAGS = 64 };

struct book_text {
    struct str text;
    uint32_t id;
    const struct metric *metric; /* of that name; NULL: none */
};

struct book_series {
    struct series series;
    uint32_t index;       /* in order of first sight */
    uint32_t name;        /* the id of the metric's */
    const uint32_t *tags; /* the ids of its tags' texts: key, value, key, ... */
};

struct series_book *series_book_new(uint32_t max_series); /* 0: SERIES_BOOK_DEFAULT */
void series_book_free(struct series_book *book);
uint32_t series_book_count(const struct series_book *book);
uint32_t series_book_texts(const struct series_book *book); /* their ids are below */
/* How often a series was folded. */
uint64_t series_book_folded(const struct series_book *book);

/* NULL: never seen. */
struct book_text *series_book_text(const struct series_book *book, struct str text);
struct str series_book_text_at(const struct series_book *book, uint32_t id);
struct book_series *series_book_find(const struct series_book *book, const struct metric *metric,
                                     const uint32_t *tags, uint32_t tag_count);

/* The series that has the metric's name and type and the same tags; made, and all copied, if there
 * is none. ERR_SYNTAX on tags that aren't sorted by key or too many; ERR_INVALID on a metric that
 * has another type or no valid name; ERR_LIMIT when the book is full. */
MUST_USE int series_book_add(struct series_book *book, const struct series *like,
                             struct book_series **out, struct diag *d);

#endif

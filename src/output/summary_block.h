/* A block of the summary: the whole run, a scenario, a group. Gathered as lines first, because k6
 * aligns all lines of a block with one another: names to one width, the columns of trends and those
 * of the others each to theirs. For summary.c alone. */
#ifndef OUTPUT_SUMMARY_BLOCK_H
#define OUTPUT_SUMMARY_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "metrics/metric.h"
#include "output/summary.h"

#define GREEN "\x1b[32m"
#define RED "\x1b[31m"
#define CYAN "\x1b[36m"
#define BOLD "\x1b[1m"
#define PLAIN "\x1b[0m"

enum { COLUMNS_MAX = 16 };

enum section {
    SECTION_CUSTOM,
    SECTION_HTTP,
    SECTION_EXECUTION,
    SECTION_NETWORK,
    SECTION_GRPC,
    SECTION_WEBSOCKET,
    SECTION_GENERATOR,
};

struct line {
    char *name; /* owned, as are the columns */
    char *columns[COLUMNS_MAX];
    size_t column_count;
    bool is_trend;
    enum section section;
};

struct block {
    struct line *lines;
    size_t count;
    size_t cap;
};

struct widths {
    size_t name;
    size_t trend[COLUMNS_MAX];
    size_t other[COLUMNS_MAX];
};

struct writer {
    const struct summary_options *o;
    double seconds;
    struct buf *out;
};

/* The escape sequence, or nothing off terminals. */
const char *writer_color(const struct writer *w, const char *code);
void block_indent(struct buf *out, size_t columns);

void block_deinit(struct block *b);

/* The name is taken over. A sub-metric's is "metric\x01selector\x02what is shown": it sorts right
 * behind its metric. */
struct line *block_add_line(struct block *b, enum section section, char *name);
/* prefix, value and suffix as one column. */
void block_add_value(const struct writer *w, struct line *line, const char *prefix,
                     enum metric_contains contains, double value, const char *suffix);
void block_add_rate(struct line *line, const struct sink *sink);
/* A line with what the sink's type shows. */
void block_add_metric(const struct writer *w, struct block *b, enum section section, char *name,
                      const struct metric *metric, const struct sink *sink);

void block_measure(const struct block *b, struct widths *w);
void block_print_line(const struct writer *w, const struct line *line, const struct widths *widths,
                      size_t left);
/* All of it by section and name, with headings. */
void block_print(const struct writer *w, struct block *b, size_t left);

#endif

/* Numbers as k6 shows them (k6-features.md SUM-04, SUM-05). */
#ifndef OUTPUT_FORMAT_H
#define OUTPUT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "metrics/metric.h"

enum time_unit { TIME_AUTO, TIME_S, TIME_MS, TIME_US };

/* "" is TIME_AUTO; "s", "ms", "us"; false on anything else. */
bool time_unit_parse(struct str text, enum time_unit *out);

/* "16.66%": two decimals, cut off, not rounded. */
void format_percent(struct buf *out, double share);
/* "3.5 kB", base 1000. */
void format_bytes(struct buf *out, double bytes);
/* Milliseconds as "380.92µs", "1.26ms", "1m30s"; or in a fixed unit. */
void format_time(struct buf *out, double ms, enum time_unit unit);
/* At most six decimals, no trailing zeros. */
void format_number(struct buf *out, double value);
/* A value of a metric: by what it contains. */
void format_value(struct buf *out, enum metric_contains contains, double value,
                  enum time_unit unit);

/* Columns that UTF-8 text takes: code points, as all that the summary prints are one wide. */
size_t format_width(const char *text);
/* Appends text and blanks up to `width` columns. */
void format_padded(struct buf *out, const char *text, size_t width);

#endif

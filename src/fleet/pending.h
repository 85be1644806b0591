/* Windows of many agents as one: what a second of a region adds up to, on its way into totals.
 *
 * The series of a book are told apart by instance_id, among others; here they lose it, so that
 * those of a region's agents become the same (merged_series). */
#ifndef FLEET_PENDING_H
#define FLEET_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics/window.h"

struct series_book;

/* What the series of a book become. */
struct merged_series {
    struct series_book *book; /* not owned */
    bool keep_instances;
    struct merged_target *targets; /* by book_series.index; owned */
    size_t count;
    uint32_t places; /* how many different ones there are */
};

void merged_series_init(struct merged_series *m, struct series_book *book, bool keep_instances);
void merged_series_deinit(struct merged_series *m);

struct pending {
    struct window window; /* its samples are none */
    size_t cap;
    uint32_t *slots; /* by place: index in the window plus 1; owned */
    size_t slot_count;
};

void pending_init(struct pending *p);
void pending_deinit(struct pending *p);

/* Merges a window whose series are the book's; its sinks are empty then. Of exemplars the slowest
 * of each series stay (metrics/request.h). */
void pending_merge(struct pending *p, struct merged_series *m, struct window *from);
/* A gauge, at the end: of a series that no window has. */
void pending_add_gauge(struct pending *p, const struct series *series, double value,
                       int64_t wall_nsec);

#endif

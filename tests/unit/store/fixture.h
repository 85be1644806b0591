/* A store in a folder of its own, which goes with the test, and windows to put into it. */
#ifndef UNIT_STORE_FIXTURE_H
#define UNIT_STORE_FIXTURE_H

#include "metrics/window.h"
#include "store/run.h"
#include "store/series.h"
#include "store/store.h"
#include "support/test.h"

/* A file of that name in the test's folder; valid to its end. */
const char *fixture_path(const char *name);
struct store *fixture_open(void); /* "gale.db", for writing */
struct store *fixture_open_reader(void);
/* A test "t" with the id "test00000000" unless there is one, and a run of it. */
void fixture_add_run(struct store *s, const char *id);
void fixture_end_run(struct store *s, const char *id, int64_t ended);
void fixture_tidy_all(struct store *s);
/* CHECKs that `err` is that error and that its message contains `text`; empties `d`. */
void fixture_check_error(struct diag *d, int got, int want, const char *text);

/* --- windows ------------------------------------------------------------------------------ */

enum fixture_series {
    DURATION_A,
    DURATION_B,
    REQS_A,
    REQS_B,
    FAILED_A,
    VUS,
    DEPTH, /* a custom gauge */
    ONLY,  /* a trend of one series */
    SERIES_COUNT
};
const struct series *fixture_series(enum fixture_series series);

/* A window with a sink of each series, empty; window_free. */
struct window *fixture_window(void);
struct sink *fixture_sink(struct window *w, enum fixture_series series);
/* One window into a second. */
void fixture_put(struct store *s, const char *run, const char *region, int64_t second,
                 const struct window *w);
/* A window with `value` in DURATION_A and 1 in REQS_A, put. */
void fixture_put_value(struct store *s, const char *run, const char *region, int64_t second,
                       double value);

#endif

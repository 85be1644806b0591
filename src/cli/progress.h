/* What a run shows while it runs: the banner, the running line, a bar per scenario; drawn over
 * itself on a terminal, a few plain lines off it, nothing with --quiet (k6-features.md section 26).
 *
 * On main's thread; log lines of any thread make room for it (base/log.h). */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct progress;
struct run;
struct test;

/* The banner: where the script is, what goes out, the scenarios. `outputs` is their description,
 * `distance` the emulated one ("": none), `dashboard` the URL of the run's page (NULL: none). */
void progress_banner(const struct test *t, const char *outputs, const char *distance,
                     const char *dashboard, uint64_t max_vus, bool color);

struct progress *progress_new(const struct test *t, struct run *run, struct loop *loop);
/* Draws no more and leaves the terminal clear: the run has ended. NULL is allowed here and below.
 */
void progress_stop(struct progress *p);
/* Draws for the last time, below the summary, if told to, and frees. */
void progress_free(struct progress *p, bool draw);

#endif

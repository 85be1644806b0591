/* What the tests of src/script share: scripts from text, and VUs of them on a loop of their own. */
#ifndef UNIT_SCRIPT_FIXTURE_H
#define UNIT_SCRIPT_FIXTURE_H

#include "base/clock.h"
#include "base/diag.h"
#include "engine/options.h"
#include "engine/runner.h"
#include "engine/scenario.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "metrics/shard.h"
#include "metrics/window.h"
#include "script/files.h"
#include "script/host.h"
#include "script/script.h"
#include "script/vu.h"

#define MAIN_URL "file:///t/main.js"

/* A file of the next script, by URL. */
void script_file(const char *url, const char *text);

/* Loads a script. It must succeed; free it with script_free. */
struct script *open_text(const char *text);
/* It must fail: `d` says how. */
int open_fails(const char *text, struct diag *d);

/* A worker with its loop, around one script and the options that it exports. */
struct bench {
    struct script *script;
    struct options options;
    struct scenario_list scenarios;
    struct runner *runner;
    struct loop *loop;
    struct worker_env env;
    struct window *window; /* what the samples came to, once the bench has run */
};

/* Opens `text` and calls fn(bench) on a fiber of a worker; frees everything but *b, which is freed
 * by bench_end. */
void bench_run(struct bench *b, const char *text, void (*fn)(struct bench *b));
void bench_end(struct bench *b);

/* In fn: a VU, and one iteration of the first scenario with a deadline that far ahead. */
struct vu *bench_vu(struct bench *b, uint64_t id);
enum iteration_end bench_iterate(struct bench *b, struct vu *vu, int64_t deadline_ms);
/* Defines a global function in the VU. */
void bench_function(struct vu *vu, const char *name, JSCFunction *fn);

/* After bench_run: a counter's sum, or the number of a rate's or trend's values, over all series
 * with that tag (NULL: all). */
double bench_sum(const struct bench *b, const char *metric, const char *key, const char *value);

#endif

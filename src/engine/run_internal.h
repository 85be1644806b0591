/* What run.c and run_report.c share; nobody else includes it. */
#ifndef ENGINE_RUN_INTERNAL_H
#define ENGINE_RUN_INTERNAL_H

#include "base/clock.h"
#include "engine/plan.h"
#include "engine/run.h"
#include "engine/saturation.h"
#include "engine/segment.h"
#include "engine/worker.h"
#include "loop/loop.h"

/* What main knows of a worker. */
struct run_worker {
    struct worker *worker; /* NULL: its thread could not start */
    bool is_ready;         /* has answered on_ready */
    bool is_executed;      /* has answered on_executed */
    bool is_lost;          /* has not answered in time: nothing is asked of it any more */
    bool is_reporting;     /* a report is on its way */
    struct worker_report report;
};

/* The collecting of one second's windows. */
struct run_round {
    struct timer tick;  /* the next second */
    int64_t base;       /* seconds are counted from here, monotonic */
    struct timer grace; /* who has not answered by then comes with a later round */
    bool is_open;
    bool is_last;
    bool is_finishing;   /* the next round is the last */
    bool is_delivering;  /* the caller's hook is running */
    size_t waiting;      /* reports that the round still waits for */
    int64_t second;      /* of the open round */
    int64_t next_second; /* of the tick timer */
    struct window **windows;
    size_t count;
    struct worker_load *loads;
    size_t load_count;
};

struct run {
    struct run_config config;
    struct loop *loop;    /* main's */
    struct run_part part; /* a copy, with `done` of its own */
    struct segment whole;
    const struct segment *segment;
    struct run_state state;
    struct plan plan;
    struct worker_shared shared;
    struct worker **worker_list; /* of `shared` */
    struct run_worker *workers;
    size_t worker_count;

    enum run_phase phase;
    int64_t made_at;
    bool was_resumed;
    bool setup_done;  /* it succeeded, or there was none to run: teardown() is due */
    bool is_stopping; /* workers were told of an abort */
    bool is_finished;
    bool is_over;    /* the last window was handed out; or handleSummary has ended */
    int phase_error; /* the exit code of what failed in setup() or teardown(); 0: nothing */
    char *setup_data;
    struct worker_call call;
    struct timer grace; /* for workers that don't answer */

    struct run_round round;
    struct shard *shard; /* of main: vus, vus_max, load_generator_* */
    tagset_id tags;
    struct probe probe;
    struct saturation saturation;
};

/* --- run.c -------------------------------------------------------------------------------- */

void run_on_ready(void *arg, struct worker *w);
void run_on_executed(void *arg, struct worker *w);
void run_on_aborted(void *arg);
void run_answers_overdue(struct timer *timer);

/* For setup() and its like: the first that answers; NULL: none does. */
struct worker *run_first_worker(const struct run *run);
/* How long a worker may take for what takes microseconds a VU, before it is left behind. */
int64_t run_answer_grace(const struct run *run);
/* Gives the worker up. */
void run_lose_worker(struct run_worker *w);
/* The last round was delivered. */
void run_reports_over(struct run *run);

/* --- run_report.c ------------------------------------------------------------------------- */

void run_reports_init(struct run *run);
void run_reports_deinit(struct run *run);
void run_reports_start(struct run *run); /* a round each second from now on */
/* Rounds stand on whole seconds from `at` on, which is second 0. */
void run_reports_align(struct run *run, int64_t at);
void run_reports_finish(struct run *run); /* one more round; run_reports_over follows */

#endif

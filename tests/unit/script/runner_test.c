#include "base/err.h"
#include "base/mem.h"
#include "fixture.h"
#include "script/internal.h"
#include "support/test.h"

static void run_plain(struct bench *b)
{
    struct vu *vu = bench_vu(b, 7);

    for (int i = 0; i < 3; i++)
        CHECK_EQ(bench_iterate(b, vu, 1000), ITERATION_DONE);
    b->runner->ops->vu_free(vu);
}

TEST(runner_counts_iterations_and_exceptions_too)
{
    struct bench b;

    bench_run(&b,
              "import { Counter } from 'k6/metrics'; const c = new Counter('ran');\n"
              "export const options = { tags: { run: 'r' } };\n"
              "export default function () { c.add(__VU); if (__ITER === 1) throw new Error('x'); }",
              run_plain);
    CHECK_EQ(bench_sum(&b, "iterations", "scenario", "default"), 3);
    CHECK_EQ(bench_sum(&b, "iteration_duration", "run", "r"), 3);
    CHECK_EQ(bench_sum(&b, "ran", "group", ""), 21);
    bench_end(&b);
}

static void run_late(struct bench *b)
{
    struct vu *vu = bench_vu(b, 1);
    int64_t start = clock_now();

    CHECK_EQ(bench_iterate(b, vu, 50), ITERATION_INTERRUPTED);
    CHECK(clock_now() - start < NSEC_PER_SEC);
    CHECK_EQ(bench_iterate(b, vu, 50), ITERATION_INTERRUPTED);
    b->runner->ops->vu_free(vu);
}

static void check_interrupted(const char *body)
{
    char *text = mem_printf("import { sleep, group } from 'k6';\n%s", body);
    struct bench b;

    bench_run(&b, text, run_late);
    CHECK_EQ(bench_sum(&b, "iterations", NULL, NULL), 0);
    CHECK_EQ(bench_sum(&b, "iteration_duration", NULL, NULL), 0);
    bench_end(&b);
    mem_free(text);
}

TEST(runner_ends_an_iteration_at_its_deadline)
{
    check_interrupted("export default function () { for (;;) {} }");
    check_interrupted("export default function () { for (;;) { try { sleep(9); } catch (e) {} } }");
    check_interrupted(
        "export default function () { for (;;) { try { for (;;) {} } catch (e) {} } }");
    check_interrupted(
        "export default async function () { await new Promise((r) => setTimeout(r, 9e3)); }");
    check_interrupted("export default async function () { for (;;) await null; }");
    check_interrupted("export default async function () { for (;;) { try { await null; sleep(9); } "
                      "catch (e) {} } }");
    check_interrupted("export default function () { setInterval(() => {}, 1); }");
    check_interrupted("export default function () { group('g', () => { [3, 1].sort(() => { for "
                      "(;;) {} }); }); }");
    check_interrupted("export default function () { /(a+)+b/.test('a'.repeat(40)); for (;;) {} }");
}

static void run_endless_jobs(struct bench *b)
{
    struct vu *vu = bench_vu(b, 1);

    CHECK_EQ(bench_iterate(b, vu, 50), ITERATION_INTERRUPTED);
    CHECK(!JS_IsJobPending(vu->rt));
    CHECK_EQ(bench_iterate(b, vu, 5000), ITERATION_DONE);
    b->runner->ops->vu_free(vu);
}

TEST(runner_microtasks_without_end_end_with_their_iteration)
{
    struct bench b;

    bench_run(
        &b,
        "async function loop() { for (;;) { try { await null; } catch (e) {} } }\n"
        "function chain() { Promise.resolve().then(chain); }\n"
        "function again() { queueMicrotask(again); }\n"
        "export default function () {\n"
        "  if (__ITER === 0) { loop(); loop(); chain(); again(); setTimeout(() => {}, 1e6); }\n"
        "}",
        run_endless_jobs);
    CHECK_EQ(bench_sum(&b, "iterations", NULL, NULL), 1);
    bench_end(&b);
}

static struct vu *running;

static void interrupter(void *arg)
{
    (void)arg;
    CHECK_EQ(fiber_sleep_until(clock_now() + 20 * NSEC_PER_MSEC), 0);
    ((struct bench *)arg)->runner->ops->vu_interrupt(running);
}

static void run_interrupted(struct bench *b)
{
    running = bench_vu(b, 1);
    b->runner->ops->vu_interrupt(running); /* idle: nothing to interrupt */
    fiber_start(b->loop, interrupter, b);
    CHECK_EQ(bench_iterate(b, running, 10000), ITERATION_INTERRUPTED);
    CHECK_EQ(bench_iterate(b, running, 10000), ITERATION_DONE);
    b->runner->ops->vu_free(running);
}

TEST(runner_interrupts_from_outside)
{
    static const char *const bodies[] = {"if (__ITER === 0) sleep(100);", "while (__ITER === 0) {}",
                                         "if (__ITER === 0) setTimeout(() => {}, 1e5);"};
    struct bench b;

    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        char *text = mem_printf("import { sleep } from 'k6';\n"
                                "export default function () { %s }",
                                bodies[i]);

        bench_run(&b, text, run_interrupted);
        CHECK_EQ(bench_sum(&b, "iterations", NULL, NULL), 1);
        bench_end(&b);
        mem_free(text);
    }
}

static int busy_left;

static void busy(void *arg)
{
    struct bench *b = arg;
    struct vu *vu = bench_vu(b, 2);

    CHECK_EQ(bench_iterate(b, vu, 300), ITERATION_INTERRUPTED);
    b->runner->ops->vu_free(vu);
    busy_left--;
}

static void run_beside_busy(struct bench *b)
{
    int64_t worst = 0;

    busy_left = 3;
    for (int i = 0; i < 3; i++)
        fiber_start(b->loop, busy, b);
    while (busy_left > 0) {
        int64_t due = clock_now() + NSEC_PER_MSEC;
        int64_t late;

        CHECK_EQ(fiber_sleep_until(due), 0);
        late = clock_now() - due;
        worst = late > worst ? late : worst;
    }
    /* Three busy VUs with slices of a millisecond each: far from the 300 ms that one would take
     * without preemption, with room for a loaded machine. */
    CHECK(worst < 150 * NSEC_PER_MSEC);
}

TEST(runner_preempts_busy_scripts)
{
    struct bench b;

    bench_run(&b, "export default function () { for (;;) {} }", run_beside_busy);
    bench_end(&b);
}

static void run_lifecycle(struct bench *b)
{
    const struct runner_ops *ops = b->runner->ops;
    struct diag d = DIAG_INIT;
    char *json = NULL;

    CHECK(ops->has_setup(b->runner) && ops->has_teardown(b->runner));
    CHECK(ops->has_handle_summary(b->runner) && ops->has_function(b->runner, STR("default")));
    CHECK_EQ(ops->setup(b->runner, &b->env, NSEC_PER_SEC, &json, &d), 0);
    CHECK_TEXT(json, "{\"n\":1,\"vu\":0}");
    ops->set_setup_data(b->runner, json);
    mem_free(json);
    run_plain(b);
    CHECK_EQ(ops->teardown(b->runner, &b->env, NSEC_PER_SEC, &d), 0);
    CHECK_EQ(ops->handle_summary(b->runner, &b->env, "{\"x\":3}", NSEC_PER_SEC, &json, &d), 0);
    CHECK_TEXT(json, "{\"stdout\":\"3\",\"a.bin\":{\"$base64\":\"AQI=\"}}");
    mem_free(json);
}

TEST(runner_runs_the_lifecycle)
{
    struct bench b;

    bench_run(
        &b,
        "import { check } from 'k6'; import { Counter } from 'k6/metrics';\n"
        "const c = new Counter('stages');\n"
        "export function setup() { c.add(1); return { n: 1, vu: __VU, gone: undefined }; }\n"
        "export default function (data) { check(data.n++, { kept: (n) => n === 1 + __ITER }); }\n"
        "export function teardown(data) { c.add(1); check(data, { fresh: (d) => d.n === 1 }); }\n"
        "export function handleSummary(d) {\n"
        "  return { stdout: '' + d.x, 'a.bin': new Uint8Array([1, 2]) };\n"
        "}",
        run_lifecycle);
    CHECK_EQ(bench_sum(&b, "stages", "group", "::setup"), 1);
    CHECK_EQ(bench_sum(&b, "stages", "group", "::teardown"), 1);
    CHECK_EQ(bench_sum(&b, "checks", NULL, NULL), 4);
    bench_end(&b);
}

static void run_failing_stages(struct bench *b)
{
    const struct runner_ops *ops = b->runner->ops;
    char *json = NULL;
    struct diag d = DIAG_INIT;

    CHECK_EQ(ops->setup(b->runner, &b->env, 50 * NSEC_PER_MSEC, &json, &d), ERR_TIMEOUT);
    CHECK_TEXT(d.message, "setup() execution timed out after 50ms");
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    CHECK(ops->teardown(b->runner, &b->env, NSEC_PER_SEC, &d) < 0);
    CHECK(str_starts_with(str_of(d.message), STR("Error: torn")));
    CHECK_EQ(d.line, 2);
    diag_deinit(&d);
    d = (struct diag)DIAG_INIT;
    CHECK(ops->handle_summary(b->runner, &b->env, "{}", NSEC_PER_SEC, &json, &d) < 0);
    CHECK(str_find_str(str_of(d.message), STR("texts or ArrayBuffers; 'a' is neither")) > 0);
    diag_deinit(&d);
    CHECK(!json);
}

TEST(runner_stages_can_fail)
{
    struct bench b;

    bench_run(&b,
              "export function setup() { return new Promise((r) => setTimeout(r, 1e5)); }\n"
              "export function teardown() { throw new Error('torn'); }\n"
              "export function handleSummary() { return { a: 5 }; }\n"
              "export default function () {}",
              run_failing_stages);
    bench_end(&b);
}

static void run_init_failures(struct bench *b)
{
    struct vu *vu = NULL;
    struct diag d = DIAG_INIT;

    CHECK(b->runner->ops->vu_new(b->runner, &b->env, 5, 5, &vu, &d) < 0);
    CHECK_TEXT(d.file, "/t/main.js");
    CHECK_EQ(d.line, 1);
    CHECK(str_find_str(str_of(d.message), STR("first initialised")) > 0);
    diag_deinit(&d);
}

TEST(runner_a_file_that_only_a_later_vu_opens_is_an_error)
{
    struct bench b;

    bench_run(&b, "if (__VU > 0) open('./late.txt'); exports.default = function () {};",
              run_init_failures);
    bench_end(&b);
    bench_run(&b, "if (__VU > 0) require('./late.js'); exports.default = function () {};",
              run_init_failures);
    bench_end(&b);
}

static void run_cycles(struct bench *b)
{
    struct vu *vu = bench_vu(b, 1);
    size_t most = 0;

    for (int i = 0; i < 3000; i++) {
        size_t size;

        CHECK_EQ(bench_iterate(b, vu, 10000), ITERATION_DONE);
        size = vu->_private->account.state->malloc_size;
        most = size > most ? size : most;
    }
    CHECK(most < 1024 * 1024);
    b->runner->ops->vu_free(vu);
}

TEST(runner_collects_garbage_in_cycles)
{
    struct bench b;

    bench_run(&b,
              "export default async function () {\n"
              "  const a = { big: 'x'.repeat(1000) }; a.self = a; await a.self.big;\n"
              "}",
              run_cycles);
    bench_end(&b);
}

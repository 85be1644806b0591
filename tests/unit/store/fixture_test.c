#include "fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/test.h"

/* --- the folder --------------------------------------------------------------------------- */

static char folder[64];
static pid_t owner;

static void remove_folder(void)
{
    DIR *dir;
    struct dirent *entry;

    if (getpid() != owner)
        return;
    dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] != '.')
            unlink(fixture_path(entry->d_name));
    }
    if (dir)
        closedir(dir);
    rmdir(folder);
}

const char *fixture_path(const char *name)
{
    static char paths[8][160];
    static size_t next;
    char *path = paths[next++ % 8];

    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/gale-store-XXXXXX");
        CHECK(mkdtemp(folder));
        owner = getpid();
        atexit(remove_folder);
    }
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static struct store *open_with(const struct store_options *options)
{
    struct diag d = DIAG_INIT;
    struct store *s = NULL;

    if (store_open(fixture_path("gale.db"), options, &s, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
    return s;
}

struct store *fixture_open(void)
{
    return open_with(NULL);
}

struct store *fixture_open_reader(void)
{
    return open_with(&(struct store_options){.read_only = true});
}

static void ignore_test(void *arg, const struct store_test *test)
{
    (void)arg;
    (void)test;
}

void fixture_add_run(struct store *s, const char *id)
{
    struct store_test test = {.id = "test00000000", .name = "t", .description = "", .labels = "{}"};
    struct store_run run = {.id = id,
                            .test = test.id,
                            .version = 1,
                            .name = "",
                            .notes = "",
                            .labels = "{}",
                            .phase = "running",
                            .created = 1,
                            .created_by = "me",
                            .spec = "{}",
                            .plan = "{}",
                            .state = "{}"};
    struct diag d = DIAG_INIT;

    if (store_get_test(s, test.id, ignore_test, NULL, NULL) != 0)
        CHECK_EQ(store_add_test(s, &test, NULL), 0);
    if (store_add_run(s, &run, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
}

void fixture_end_run(struct store *s, const char *id, int64_t ended)
{
    struct store_phase phase = {
        .phase = "ended", .result = "passed", .exit_code = 0, .ended = ended};

    CHECK_EQ(store_update_phase(s, id, &phase, NULL), 0);
}

void fixture_tidy_all(struct store *s)
{
    struct diag d = DIAG_INIT;
    int more;

    while ((more = store_tidy(s, &d)) > 0)
        continue;
    if (more < 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
}

void fixture_check_error(struct diag *d, int got, int want, const char *text)
{
    CHECK_EQ(got, want);
    CHECK(d->message);
    if (!strstr(d->message, text))
        test_fail(__FILE__, __LINE__, "'%s' is not in: %s", text, d->message);
    diag_deinit(d);
    *d = (struct diag)DIAG_INIT;
}

/* --- windows ------------------------------------------------------------------------------ */

#define METRIC(a_name, a_type)                                                                     \
    {                                                                                              \
        .name = STR_INIT(a_name), .type = (a_type)                                                 \
    }
static const struct metric duration = {
    .name = STR_INIT("http_req_duration"), .type = METRIC_TREND, .contains = METRIC_TIME};
static const struct metric reqs = METRIC("http_reqs", METRIC_COUNTER);
static const struct metric failed = METRIC("http_req_failed", METRIC_RATE);
static const struct metric vus = METRIC("vus", METRIC_GAUGE);
static const struct metric depth = METRIC("depth", METRIC_GAUGE);
static const struct metric only = METRIC("only", METRIC_TREND);

static struct series all[SERIES_COUNT] = {
    [DURATION_A] = {&duration, NULL}, [DURATION_B] = {&duration, NULL}, [REQS_A] = {&reqs, NULL},
    [REQS_B] = {&reqs, NULL},         [FAILED_A] = {&failed, NULL},     [VUS] = {&vus, NULL},
    [DEPTH] = {&depth, NULL},         [ONLY] = {&only, NULL},
};

/* "name" and a status, or none at all. */
static const struct tags *make_tags(const char *name)
{
    struct tags *tags = mem_zalloc(sizeof *tags + 2 * sizeof(struct tag));

    if (!name)
        return tags;
    tags->count = 2;
    tags->list[0] = (struct tag){STR("name"), str_of(name)};
    tags->list[1] = (struct tag){STR("status"), STR("200")};
    return tags;
}

__attribute__((constructor)) static void make_series(void)
{
    const struct tags *a = make_tags("/a");
    const struct tags *b = make_tags("/b");
    const struct tags *none = make_tags(NULL);

    all[DURATION_A].tags = all[REQS_A].tags = all[FAILED_A].tags = all[DEPTH].tags = a;
    all[DURATION_B].tags = all[REQS_B].tags = b;
    all[VUS].tags = all[ONLY].tags = none;
}

const struct series *fixture_series(enum fixture_series series)
{
    return &all[series];
}

struct window *fixture_window(void)
{
    struct window *w = mem_zalloc(sizeof *w);

    w->count = SERIES_COUNT;
    w->series = mem_calloc(w->count, sizeof *w->series);
    for (size_t i = 0; i < w->count; i++) {
        w->series[i].series = &all[i];
        sink_init(&w->series[i].sink, all[i].metric->type);
    }
    return w;
}

struct sink *fixture_sink(struct window *w, enum fixture_series series)
{
    return &w->series[series].sink;
}

void fixture_put(struct store *s, const char *run, const char *region, int64_t second,
                 const struct window *w)
{
    struct store_second at = {run, str_of(region), second};
    struct diag d = DIAG_INIT;

    if (store_put_second(s, &at, &w, 1, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
}

void fixture_put_value(struct store *s, const char *run, const char *region, int64_t second,
                       double value)
{
    struct window *w = fixture_window();

    sink_add(fixture_sink(w, DURATION_A), value, 0);
    sink_add(fixture_sink(w, REQS_A), 1, 0);
    fixture_put(s, run, region, second, w);
    window_free(w);
}

#include "api/keeper_op.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "store/journal.h"
#include "store/series.h"

struct keep_op *keep_op_new(enum keep_kind kind, const char *run)
{
    struct keep_op *op = mem_zalloc(sizeof *op);

    op->kind = kind;
    snprintf(op->run, sizeof op->run, "%s", run);
    arena_init(&op->arena);
    return op;
}

void keep_op_free(struct keep_op *op)
{
    for (size_t i = 0; i < op->window.count; i++)
        sink_deinit(&op->window.series[i].sink);
    mem_free(op->window.series);
    arena_deinit(&op->arena);
    mem_free(op);
}

/* --- windows -------------------------------------------------------------------------------- */

static const struct series *copy_series(struct arena *a, const struct series *from)
{
    struct series *series = arena_zalloc(a, sizeof *series);
    struct metric *metric = arena_zalloc(a, sizeof *metric);
    size_t size = sizeof *from->tags + from->tags->count * sizeof(struct tag);
    struct tags *tags = arena_zalloc(a, size);

    *metric = *from->metric;
    metric->name = arena_str(a, metric->name);
    tags->count = from->tags->count;
    for (size_t i = 0; i < tags->count; i++) {
        tags->list[i].key = arena_str(a, from->tags->list[i].key);
        tags->list[i].value = arena_str(a, from->tags->list[i].value);
    }
    *series = (struct series){metric, tags};
    return series;
}

void keep_op_set_window(struct keep_op *op, const struct window *w)
{
    op->window.series = mem_calloc(w->count + 1, sizeof *op->window.series);
    for (size_t i = 0; i < w->count; i++) {
        struct window_series *to = &op->window.series[i];

        to->series = copy_series(&op->arena, w->series[i].series);
        sink_init(&to->sink, w->series[i].sink.type);
        sink_merge(&to->sink, &w->series[i].sink);
    }
    op->window.count = w->count;
}

/* --- exemplars ------------------------------------------------------------------------------ */

static int add_exemplars(const struct keep_op *op, struct store *s, struct diag *d)
{
    int err = 0;

    for (size_t i = 0; i < op->exemplar_count && err == 0; i++)
        err = store_add_exemplar(s, op->run, &op->exemplars[i], d);
    return err;
}

/* --- the beginning of a run ----------------------------------------------------------------- */

struct kept_events {
    struct arena arena;
    struct store_event *list;
    size_t count;
};

static const char *copied(struct arena *a, const char *text)
{
    return text ? arena_strdup(a, text) : NULL;
}

static void keep_event(void *arg, const struct store_event *e)
{
    struct kept_events *kept = arg;
    struct store_event *to;

    kept->list = mem_reallocarray(kept->list, kept->count + 1, sizeof *kept->list);
    to = &kept->list[kept->count++];
    *to = *e;
    to->kind = copied(&kept->arena, e->kind);
    to->severity = copied(&kept->arena, e->severity);
    to->region = copied(&kept->arena, e->region);
    to->agent = copied(&kept->arena, e->agent);
    to->message = copied(&kept->arena, e->message);
    to->data = copied(&kept->arena, e->data);
}

/* A run that another life of the controller had begun: all but its timeline comes again. */
static int take_old_away(const struct keep_op *op, struct store *s, struct kept_events *kept,
                         struct diag *d)
{
    struct store_event_filter filter = {.run = op->run};
    struct store_page page = {.limit = STORE_MAX_EVENTS};
    struct store_phase ended = {.phase = "ended", .exit_code = STORE_NO_EXIT_CODE};
    int err = store_list_events(s, &filter, &page, keep_event, kept, d);

    if (err == ERR_NOT_FOUND) {
        diag_deinit(d);
        return 0;
    }
    if (err >= 0)
        err = store_update_phase(s, op->run, &ended, d);
    if (err == ERR_NOT_FOUND) {
        diag_deinit(d);
        return 0;
    }
    return err < 0 ? err : store_delete_run(s, op->run, d);
}

struct sought_test {
    const char *name;
    char *id; /* SHORT_ID_SIZE */
};

static void compare_test(void *arg, const struct store_test *t)
{
    struct sought_test *sought = arg;

    if (sought->id[0] == '\0' && strcmp(t->name, sought->name) == 0)
        snprintf(sought->id, SHORT_ID_SIZE, "%s", t->id);
}

static int make_test(struct store *s, const char *id, const char *name, int64_t wall_nsec,
                     struct diag *d)
{
    struct store_test test = {
        .id = id,
        .name = name,
        .description = "",
        .labels = "{}",
        .created = wall_nsec,
        .updated = wall_nsec,
    };

    return store_add_test(s, &test, d);
}

int keep_find_test(struct store *s, const char *name, int64_t wall_nsec, char id[SHORT_ID_SIZE],
                   struct diag *d)
{
    struct store_test_filter filter = {.text = name};
    struct store_page page = {.limit = 100};
    struct sought_test sought = {name, id};
    int more;

    id[0] = '\0';
    do {
        more = store_list_tests(s, &filter, &page, compare_test, &sought, d);
    } while (more == 1 && id[0] == '\0');
    if (more < 0 || id[0] != '\0')
        return more < 0 ? more : 0;
    short_id_new(wall_nsec, id);
    return make_test(s, id, name, wall_nsec, d);
}

/* 0 where there is no such thing. */
static int unless_missing(int err, struct diag *d)
{
    if (err == ERR_NOT_FOUND)
        diag_deinit(d);
    return err == ERR_NOT_FOUND ? 0 : err;
}

static void note_version(void *arg, const struct store_version *v)
{
    *(int64_t *)arg = v->version;
}

static void note_test(void *arg, const struct store_test *t)
{
    (void)t;
    *(bool *)arg = true;
}

/* The version that the run is of. A run that another controller began may be of a test that this
 * store has not: it gets one with the archive that runs. */
static int find_version(const struct keep_op *op, struct store *s, char id[SHORT_ID_SIZE],
                        int64_t *version, struct diag *d)
{
    const struct keep_asked *asked = &op->asked;
    struct store_version made = {
        .test = id,
        .kind = "archive",
        .filename = op->text,
        .found = "{}",
        .created_by = asked->created_by,
        .created = op->wall_nsec,
    };
    bool known = false;
    int err = 0;

    *version = 0;
    snprintf(id, SHORT_ID_SIZE, "%s", asked->test);
    if (id[0] == '\0') {
        err = keep_find_test(s, op->text, op->wall_nsec, id, d);
    } else {
        if (asked->version > 0)
            err = unless_missing(store_get_version(s, id, asked->version, note_version, version, d),
                                 d);
        if (err || *version)
            return err;
        err = unless_missing(store_get_test(s, id, note_test, &known, d), d);
        if (err == 0 && !known)
            err = make_test(s, id, asked->test_name, op->wall_nsec, d);
    }
    memcpy(made.sha256, op->sha256, sizeof made.sha256);
    if (err == 0)
        err = store_add_version(s, &made, op->content, version, d);
    return err < 0 ? err : 0;
}

static int add_run(const struct keep_op *op, struct store *s, struct diag *d)
{
    char test[SHORT_ID_SIZE];
    struct store_run run = {
        .id = op->run,
        .test = test,
        .name = op->asked.name,
        .notes = op->asked.notes,
        .labels = op->asked.labels,
        .phase = op->phase.phase,
        .created = op->wall_nsec,
        .created_by = op->asked.created_by,
        .rerun_of = op->asked.rerun_of,
        .spec = op->asked.spec,
        .plan = op->asked.plan,
        .state = op->phase.state,
    };
    int err = find_version(op, s, test, &run.version, d);

    return err ? err : store_add_run(s, &run, d);
}

static int begin(const struct keep_op *op, struct store *s, struct diag *d)
{
    struct kept_events kept = {.list = NULL};
    int err;

    arena_init(&kept.arena);
    err = take_old_away(op, s, &kept, d);
    if (err == 0)
        err = add_run(op, s, d);
    for (size_t i = 0; i < kept.count && err == 0; i++)
        err = store_add_event(s, op->run, &kept.list[i], NULL, d);
    mem_free(kept.list);
    arena_deinit(&kept.arena);
    return err;
}

/* --- what follows --------------------------------------------------------------------------- */

static int add_event(const struct keep_op *op, struct store *s, struct diag *d)
{
    struct store_event e = {
        .wall_nsec = op->wall_nsec,
        .second = op->second,
        .kind = op->word,
        .severity = op->severity,
        .region = op->region,
        .agent = op->agent,
        .message = op->text,
        .data = "{}",
    };

    return store_add_event(s, op->run, &e, NULL, d);
}

static int add_log(const struct keep_op *op, struct store *s, struct diag *d)
{
    struct store_log l = {
        .wall_nsec = op->wall_nsec,
        .second = op->second,
        .level = op->level,
        .source = op->word,
        .region = op->region,
        .agent = op->agent,
        .vu = -1,
        .iteration = -1,
        .message = op->text,
    };

    return store_add_log(s, op->run, &l, d);
}

static int add_window(const struct keep_op *op, struct store *s, struct diag *d)
{
    const struct window *window = &op->window;
    struct store_second at = {op->run, str_of(op->region), op->second};

    return store_put_second(s, &at, &window, 1, d);
}

static int put_agents(const struct keep_op *op, struct store *s, struct diag *d)
{
    int err = 0;

    for (size_t i = 0; i < op->count && err == 0; i++)
        err = store_put_agent(s, op->run, &op->agents[i], d);
    return err;
}

static int apply(const struct keep_op *op, struct store *s, struct diag *d)
{
    switch (op->kind) {
    case KEEP_BEGIN:
        return begin(op, s, d);
    case KEEP_PHASE:
        return store_update_phase(s, op->run, &op->phase, d);
    case KEEP_EVENT:
        return add_event(op, s, d);
    case KEEP_LOG:
        return add_log(op, s, d);
    case KEEP_WINDOW:
        return add_window(op, s, d);
    case KEEP_THRESHOLDS:
        return store_put_thresholds(s, op->run, op->thresholds, op->count, d);
    case KEEP_AGENTS:
        return put_agents(op, s, d);
    case KEEP_EXEMPLARS:
        return add_exemplars(op, s, d);
    }
    return ERR_INVALID;
}

int keep_op_apply(const struct keep_op *op, struct store *s, struct diag *d)
{
    int err = apply(op, s, d);

    /* A bound, or a metric whose type is not what it was: more tries would not help. */
    if (op->kind != KEEP_BEGIN && (err == ERR_LIMIT || err == ERR_INVALID)) {
        static struct log_limit limit;

        log_limited(&limit, LOG_WARN, "run %s: not stored: %s", op->run,
                    d->message ? d->message : err_text(err));
        diag_deinit(d);
        return 0;
    }
    return err;
}

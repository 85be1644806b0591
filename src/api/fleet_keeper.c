#include "api/fleet_keeper.h"

#include <jansson.h>
#include <string.h>

#include "api/fleet_views.h"
#include "api/keeper.h"
#include "api/keeper_op.h"
#include "base/map.h"
#include "base/mem.h"
#include "fleet/blob.h"
#include "fleet/controller.h"

/* A run that is in the controller's memory. */
struct kept {
    const struct fleet_run *run; /* may be gone: to be compared only */
    bool is_ended;               /* its end was pushed */
};

struct fleet_keeper {
    struct keeper *keeper;
    struct controller *controller;
    struct controller_watch watch;
    struct map runs; /* struct kept by id */
};

static void add_event(struct fleet_keeper *k, const struct fleet_run *r,
                      const struct fleet_event *e)
{
    keeper_push(k->keeper,
                keep_op_line(KEEP_EVENT, fleet_run_id(r), e->wall_nsec, view_event(r, e)));
}

static void add_log(struct fleet_keeper *k, const struct fleet_run *r, const struct fleet_log *l)
{
    keeper_push(k->keeper, keep_op_line(KEEP_LOG, fleet_run_id(r), l->wall_nsec, view_log(r, l)));
}

/* --- runs ----------------------------------------------------------------------------------- */

static void set_phase(struct keep_op *op, const struct fleet_run *r)
{
    keep_op_set_phase(op, view_run(r), fleet_run_started_wall(r),
                      fleet_run_is_over(r) ? fleet_run_ended_wall(r) : 0);
}

static const char *text_of(struct keep_op *op, const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text ? arena_strdup(&op->arena, text) : NULL;
}

static const char *text_or(struct keep_op *op, const json_t *json, const char *key,
                           const char *otherwise)
{
    const char *text = text_of(op, json, key);

    return text ? text : arena_strdup(&op->arena, otherwise);
}

static const char *object_text(struct keep_op *op, const json_t *json, const char *key)
{
    json_t *object = json_object_get(json, key);

    return object ? keep_op_json(op, json_incref(object)) : "{}";
}

static void set_asked(const struct fleet_keeper *k, struct keep_op *op, const struct fleet_run *r)
{
    const json_t *extra = fleet_run_extra(r);
    const json_t *test = json_object_get(extra, "test");
    const json_t *spec = json_object_get(extra, "spec");
    const char *load = json_string_value(json_object_get(spec, "load"));

    op->asked = (struct keep_asked){
        .test = text_or(op, test, "id", ""),
        .version = json_integer_value(json_object_get(test, "version")),
        .test_name = text_or(op, test, "name", op->text),
        .name = text_or(op, extra, "name", op->text),
        .notes = text_or(op, extra, "notes", ""),
        .labels = object_text(op, extra, "labels"),
        .created_by = text_or(op, extra, "created_by", ""),
        .rerun_of = text_of(op, extra, "rerun_of"),
        .spec = object_text(op, extra, "spec"),
        .plan = keep_op_json(op, view_plan(k->controller, fleet_run_plan(r), fleet_run_prepared(r),
                                           load && strcmp(load, "per-region") == 0)),
    };
}

static void begin(struct fleet_keeper *k, struct fleet_run *r)
{
    const struct prepared *prepared = fleet_run_prepared(r);
    struct keep_op *op = keep_op_new(KEEP_BEGIN, fleet_run_id(r));
    struct kept *kept = mem_zalloc(sizeof *kept);
    struct str archive = {prepared->archive, prepared->archive_len};
    struct blob_id id;
    size_t count;

    kept->run = r;
    mem_free(map_set(&k->runs, str_of(op->run), kept));
    controller_hold_run(k->controller, r);
    blob_id_of(archive, &id);
    memcpy(&op->sha256[0], &id.sha256[0], sizeof op->sha256);
    op->content = arena_str(&op->arena, archive);
    op->text = arena_strdup(&op->arena, prepared->name);
    op->wall_nsec = fleet_run_created_wall(r);
    set_asked(k, op, r);
    set_phase(op, r);
    keeper_push(k->keeper, op);
    for (size_t i = 0; i < (fleet_run_events(r, &count), count); i++)
        add_event(k, r, &fleet_run_events(r, &count)[i]);
    for (size_t i = 0; i < (fleet_run_logs(r, &count), count); i++)
        add_log(k, r, &fleet_run_logs(r, &count)[i]);
}

static json_t *text_made(const struct fleet_run *r, bool regions)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    json_t *text;

    if (regions)
        fleet_run_region_table(r, false, &out);
    else
        fleet_run_summary(r, NULL, false, &out);
    text = json_stringn_nocheck(out.len ? buf_str(&out).ptr : "", out.len);
    buf_deinit(&out);
    return text;
}

static json_t *heap_text(char *text)
{
    json_t *json = text ? json_string_nocheck(text) : json_null();

    mem_free(text);
    return json;
}

static json_t *junit_of(const struct fleet_run *r)
{
    const struct fleet_report_input none = {.script = NULL};
    struct buf out = BUF_INIT(SIZE_MAX);
    struct diag d = DIAG_INIT;
    int err = fleet_run_report(r, "junit", &none, &out, &d);
    json_t *text = err ? json_null() : json_stringn_nocheck(buf_str(&out).ptr, out.len);

    diag_deinit(&d);
    buf_deinit(&out);
    return text;
}

/* What is shown of a run that has left the controller's memory. */
static json_t *summary_of(const struct fleet_run *r)
{
    const char *custom = fleet_run_custom_summary(r);

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:s?, s:o}", "text", text_made(r, false),
                     "regions", text_made(r, true), "summary",
                     heap_text(fleet_run_export(r, false)), "machine",
                     heap_text(fleet_run_export(r, true)), "custom",
                     custom ? json_string_nocheck(custom) : json_null(), "thresholds",
                     view_thresholds(r), "baseline", fleet_run_baseline(r), "junit", junit_of(r));
}

/* What is true now, rather than what has happened. */
static void look_at(struct fleet_keeper *k, const struct fleet_run *r)
{
    struct keep_op *thresholds = keep_op_thresholds(fleet_run_id(r), view_thresholds(r));
    struct keep_op *agents = keep_op_agents(fleet_run_id(r), view_run_agents(k->controller, r));

    if (thresholds)
        keeper_push(k->keeper, thresholds);
    if (agents)
        keeper_push(k->keeper, agents);
}

static void look(void *arg)
{
    struct fleet_keeper *k = arg;
    struct fleet_run **runs;
    size_t count = controller_runs(k->controller, &runs);

    for (size_t i = 0; i < count; i++) {
        const struct kept *kept = map_get(&k->runs, str_of(fleet_run_id(runs[i])));

        if (kept && !kept->is_ended && keeper_has(k->keeper, fleet_run_id(runs[i])))
            look_at(k, runs[i]);
    }
    mem_free((void *)runs);
}

static void on_run(struct fleet_keeper *k, struct fleet_run *r)
{
    struct kept *kept = map_get(&k->runs, str_of(fleet_run_id(r)));
    struct keep_op *op;

    if (!kept || kept->run != r) { /* another one: a run that has come back */
        begin(k, r);
        kept = map_get(&k->runs, str_of(fleet_run_id(r)));
        if (!fleet_run_is_over(r))
            return;
    }
    if (kept->is_ended)
        return;
    kept->is_ended = fleet_run_is_over(r);
    if (kept->is_ended) {
        look_at(k, r);
        keeper_push(k->keeper, keep_op_exemplars(fleet_run_id(r), fleet_run_exemplars(r)));
    }
    op = keep_op_new(KEEP_PHASE, fleet_run_id(r));
    set_phase(op, r);
    if (kept->is_ended)
        op->phase.summary = keep_op_json(op, summary_of(r));
    keeper_push(k->keeper, op);
}

static void on_news(void *arg, const struct controller_news *news)
{
    struct fleet_keeper *k = arg;
    struct fleet_run *r = news->run;

    /* Not before it is the controller's: it may still be refused. */
    if (!r || controller_find_run(k->controller, fleet_run_id(r)) != r)
        return;
    if (news->kind == NEWS_RUN)
        on_run(k, r);
    if (!map_get(&k->runs, str_of(fleet_run_id(r))))
        return;
    if (news->kind == NEWS_EVENT)
        add_event(k, r, news->event);
    else if (news->kind == NEWS_LOG)
        add_log(k, r, news->log);
    else if (news->kind == NEWS_WINDOW)
        keeper_push(k->keeper,
                    keep_op_window(fleet_run_id(r), news->region, news->second, news->window));
}

static void settled(void *arg, const struct keep_op *op)
{
    struct fleet_keeper *k = arg;
    struct fleet_run *r = controller_find_run(k->controller, op->run);

    if (op->kind == KEEP_PHASE && op->phase.ended && r)
        controller_release_run(k->controller, r);
}

/* --- life ----------------------------------------------------------------------------------- */

int fleet_keeper_open(const char *path, struct controller *controller, struct fleet_keeper **out,
                      struct diag *d)
{
    struct fleet_keeper *k = mem_zalloc(sizeof *k);
    struct keeper_config config = {
        .path = path,
        .loop = controller_loop(controller),
        .way_out = "; its data stays on the bus, and is stored when this controller is started "
                   "again",
        .look = look,
        .settled = settled,
        .arg = k,
    };
    int err = keeper_open(&config, &k->keeper, d);

    if (err) {
        mem_free(k);
        return err;
    }
    k->controller = controller;
    map_init(&k->runs);
    k->watch = (struct controller_watch){.fn = on_news, .arg = k};
    controller_watch(controller, &k->watch);
    *out = k;
    return 0;
}

struct keeper *fleet_keeper_store(const struct fleet_keeper *k)
{
    return k->keeper;
}

void fleet_keeper_close(struct fleet_keeper *k)
{
    if (!k)
        return;
    controller_unwatch(k->controller, &k->watch);
    keeper_close(k->keeper);
    map_deinit_with(&k->runs, mem_free);
    mem_free(k);
}

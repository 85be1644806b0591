#include "cli/rest_views.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/session.h"
#include "metrics/totals.h"
#include "output/export.h"

/* --- status ------------------------------------------------------------------------------- */

/* Beyond the run's phases, which are k6's codes, k6 counts this one. */
enum { STATUS_MARKED_AS_FAILED = 11 };

static bool is_tainted(const struct session *s)
{
    for (size_t i = 0; i < s->thresholds.count; i++) {
        if (!s->thresholds.list[i]->ok)
            return true;
    }
    return false;
}

json_t *rest_status(const struct session *s)
{
    const struct run_state *state = run_get_state(s->run);
    enum run_phase phase = run_get_phase(s->run);
    bool failed = phase == RUN_ENDED && run_state_is_marked_failed(state);
    json_t *attributes =
        json_pack("{s:i, s:b, s:I, s:I, s:b, s:b, s:b}", "status",
                  failed ? STATUS_MARKED_AS_FAILED : (int)phase, "paused",
                  (int)(phase == RUN_PAUSED), "vus", (json_int_t)run_state_vus_active(state),
                  "vus-max", (json_int_t)run_state_vus_initialised(state), "stopped",
                  (int)(run_state_aborted(state) != NULL), "running",
                  (int)(phase >= RUN_STARTED && phase < RUN_ENDED), "tainted", (int)is_tainted(s));

    return json_pack("{s:{s:s, s:s, s:o}}", "data", "type", "status", "id", "default", "attributes",
                     attributes);
}

/* --- metrics ------------------------------------------------------------------------------ */

static void put(json_t *sample, const char *name, const struct sink *sink, struct agg agg,
                double seconds)
{
    json_object_set_new(sample, name, json_real(sink_aggregate(sink, agg, seconds)));
}

static json_t *sample_json(const struct sink *sink, double seconds)
{
    static const char *const trend[] = {"avg", "max", "med", "min", "p(90)", "p(95)"};
    json_t *sample = json_object();
    struct agg agg = {AGG_VALUE, 0};

    switch (sink->type) {
    case METRIC_COUNTER:
        put(sample, "count", sink, (struct agg){AGG_COUNT, 0}, 0);
        put(sample, "rate", sink, (struct agg){AGG_RATE, 0}, seconds);
        break;
    case METRIC_GAUGE:
        put(sample, "value", sink, agg, 0);
        break;
    case METRIC_RATE:
        put(sample, "rate", sink, (struct agg){AGG_RATE, 0}, 0);
        break;
    case METRIC_TREND:
        for (size_t i = 0; i < COUNT_OF(trend); i++) {
            if (agg_parse(str_of(trend[i]), &agg))
                put(sample, trend[i], sink, agg, 0);
        }
        break;
    }
    return sample;
}

/* Null without thresholds, else whether one is crossed. */
static json_t *tainted_json(const struct session *s, const struct metric_total *m,
                            const struct submetric *sub)
{
    json_t *tainted = json_null();

    for (size_t i = 0; i < s->thresholds.count; i++) {
        const struct threshold *t = s->thresholds.list[i];

        if (t->metric == m && t->submetric == sub && !json_is_true(tainted))
            tainted = json_boolean(!t->ok);
    }
    return tainted;
}

static json_t *metric_json(const struct session *s, const struct metric_total *m,
                           const struct submetric *sub)
{
    const struct run_state *state = run_get_state(s->run);
    double seconds = nsec_to_sec(run_state_duration(state, clock_now()));

    return json_pack("{s:s, s:s, s:{s:s, s:s, s:o, s:o}}", "type", "metrics", "id",
                     sub ? sub->full_name : m->metric.name.ptr, "attributes", "type",
                     metric_type_name(m->metric.type), "contains",
                     metric_contains_name(m->metric.contains), "tainted", tainted_json(s, m, sub),
                     "sample", sample_json(sub ? &sub->sink : &m->sink, seconds));
}

json_t *rest_metrics(const struct session *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->totals->metric_count; i++) {
        const struct metric_total *m = s->totals->metrics[i];

        if (!m->seen)
            continue;
        json_array_append_new(list, metric_json(s, m, NULL));
        for (const struct submetric *sub = m->submetrics; sub; sub = sub->next)
            json_array_append_new(list, metric_json(s, m, sub));
    }
    return json_pack("{s:o}", "data", list);
}

json_t *rest_metric(const struct session *s, const char *id)
{
    for (size_t i = 0; i < s->totals->metric_count; i++) {
        const struct metric_total *m = s->totals->metrics[i];

        if (!m->seen)
            continue;
        if (str_eq_c(m->metric.name, id))
            return json_pack("{s:o}", "data", metric_json(s, m, NULL));
        for (const struct submetric *sub = m->submetrics; sub; sub = sub->next) {
            if (strcmp(sub->full_name, id) == 0)
                return json_pack("{s:o}", "data", metric_json(s, m, sub));
        }
    }
    return NULL;
}

/* --- groups ------------------------------------------------------------------------------- */

static json_t *checks_json(const struct check_list *checks)
{
    json_t *list = json_array();
    char id[EXPORT_ID_SIZE];

    for (size_t i = 0; i < checks->count; i++) {
        const struct check_total *check = checks->checks[i];

        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I, s:I}", "path", check->path,
                                              "id", export_id(check->path, id), "name", check->name,
                                              "passes", (json_int_t)check->passes, "fails",
                                              (json_int_t)check->fails));
    }
    return list;
}

static json_t *reference(const struct group_total *g)
{
    char id[EXPORT_ID_SIZE];

    return g ? json_pack("{s:s, s:s}", "type", "groups", "id", export_id(g->path, id))
             : json_null();
}

static json_t *group_json(const struct group_total *g, const struct group_total *parent)
{
    json_t *below = json_array();
    char id[EXPORT_ID_SIZE];

    for (size_t i = 0; i < g->group_count; i++)
        json_array_append_new(below, reference(g->groups[i]));
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:o}, s:{s:{s:o}, s:{s:o}}}", "type", "groups", "id",
                     export_id(g->path, id), "attributes", "path", g->path, "name", g->name,
                     "checks", checks_json(&g->checks), "relationships", "groups", "data", below,
                     "parent", "data", reference(parent));
}

static void add_groups(json_t *list, const struct group_total *g, const struct group_total *parent)
{
    json_array_append_new(list, group_json(g, parent));
    for (size_t i = 0; i < g->group_count; i++)
        add_groups(list, g->groups[i], g);
}

json_t *rest_groups(const struct session *s)
{
    json_t *list = json_array();

    add_groups(list, s->totals->root, NULL);
    return json_pack("{s:o}", "data", list);
}

json_t *rest_group(const struct session *s, const char *id)
{
    json_t *all = rest_groups(s);
    json_t *found = NULL;
    json_t *group;
    size_t i;

    json_array_foreach(json_object_get(all, "data"), i, group)
    {
        if (strcmp(json_string_value(json_object_get(group, "id")), id) == 0)
            found = json_pack("{s:O}", "data", group);
    }
    json_decref(all);
    return found;
}

/* --- the rest ----------------------------------------------------------------------------- */

json_t *rest_setup_data(const struct session *s)
{
    const char *text = run_setup_data(s->run);
    json_t *data = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

    return json_pack("{s:{s:s, s:s, s:{s:o}}}", "data", "type", "setupData", "id", "default",
                     "attributes", "data", data ? data : json_null());
}

json_t *rest_error(unsigned status, const char *title, const char *detail)
{
    char text[8];

    snprintf(text, sizeof text, "%u", status);
    return json_pack("{s:[{s:s, s:s, s:s}]}", "errors", "status", text, "title", title, "detail",
                     detail);
}

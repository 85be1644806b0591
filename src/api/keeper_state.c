/* The present state of a run, to be put into the store. */
#include <math.h>
#include <stdlib.h>

#include "api/fleet_views.h"
#include "api/keeper_op.h"
#include "base/clock.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"

static const char *text_of(struct keep_op *op, const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));

    return arena_strdup(&op->arena, text ? text : "");
}

static int64_t nsec_of(const json_t *json, const char *key)
{
    return (int64_t)llround(json_number_value(json_object_get(json, key)) * 1e9);
}

static struct store_threshold threshold_of(struct keep_op *op, const json_t *view)
{
    const json_t *value = json_object_get(view, "value");
    const json_t *crossed = json_object_get(view, "crossed_at_second");

    return (struct store_threshold){
        .metric = text_of(op, view, "metric"),
        .expression = text_of(op, view, "expression"),
        .source = text_of(op, view, "source"),
        .unit = text_of(op, view, "unit"),
        .abort_on_fail = json_is_true(json_object_get(view, "abort_on_fail")),
        .delay_abort_nsec = nsec_of(view, "delay_abort_seconds"),
        .window_nsec = nsec_of(view, "window_seconds"),
        .for_nsec = nsec_of(view, "for_seconds"),
        .ok = json_is_true(json_object_get(view, "ok")),
        .value = json_is_number(value) ? json_number_value(value) : (double)NAN,
        .crossed = json_is_integer(crossed) ? json_integer_value(crossed) : STORE_NO_SECOND,
    };
}

struct keep_op *keep_op_thresholds(const struct fleet_run *r)
{
    json_t *view = view_thresholds(r);
    const json_t *items = json_object_get(view, "items");
    size_t count = json_array_size(items);
    struct keep_op *op = NULL;

    if (count > 0) {
        op = keep_op_new(KEEP_THRESHOLDS, fleet_run_id(r));
        op->thresholds = arena_zalloc(&op->arena, count * sizeof *op->thresholds);
        for (; op->count < count; op->count++)
            op->thresholds[op->count] = threshold_of(op, json_array_get(items, op->count));
    }
    json_decref(view);
    return op;
}

struct keep_op *keep_op_agents(const struct controller *c, const struct fleet_run *r)
{
    json_t *view = view_run_agents(c, r);
    const json_t *items = json_object_get(view, "items");
    size_t count = json_array_size(items);
    struct keep_op *op = NULL;

    if (count > 0) {
        op = keep_op_new(KEEP_AGENTS, fleet_run_id(r));
        op->agents = arena_zalloc(&op->arena, count * sizeof *op->agents);
        for (; op->count < count; op->count++) {
            const json_t *agent = json_array_get(items, op->count);
            char *text = json_dumps(agent, JSON_COMPACT);

            op->agents[op->count] = (struct store_agent){
                .id = text_of(op, agent, "id"),
                .region = text_of(op, agent, "region"),
                .data = arena_strdup(&op->arena, text ? text : "{}"),
            };
            free(text);
        }
    }
    json_decref(view);
    return op;
}

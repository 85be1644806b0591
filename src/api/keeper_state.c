/* What is shown of a run, to be put into the store. */
#include <math.h>
#include <stdlib.h>

#include "api/exemplars.h"
#include "api/keeper_op.h"
#include "base/clock.h"
#include "output/exemplars.h"

static const char *text_or(struct keep_op *op, const json_t *json, const char *key,
                           const char *otherwise)
{
    const char *text = json_string_value(json_object_get(json, key));

    return text || otherwise ? arena_strdup(&op->arena, text ? text : otherwise) : NULL;
}

static const char *text_of(struct keep_op *op, const json_t *json, const char *key)
{
    return text_or(op, json, key, "");
}

const char *keep_op_json(struct keep_op *op, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *copy = arena_strdup(&op->arena, text ? text : "{}");

    free(text);
    json_decref(json);
    return copy;
}

struct keep_op *keep_op_line(enum keep_kind kind, const char *run, int64_t wall_nsec, json_t *view)
{
    struct keep_op *op = keep_op_new(kind, run);
    const json_t *second = json_object_get(view, "second");
    const char *level = text_of(op, view, "level");

    op->wall_nsec = wall_nsec;
    op->second = json_is_integer(second) ? json_integer_value(second) : STORE_NO_SECOND;
    op->region = text_or(op, view, "region", NULL);
    op->agent = text_or(op, view, "agent", NULL);
    op->word = text_of(op, view, kind == KEEP_LOG ? "source" : "kind");
    op->severity = text_of(op, view, "severity");
    op->text = text_of(op, view, "message");
    op->level = level[0] == 'e'   ? LOG_ERROR
                : level[0] == 'w' ? LOG_WARN
                : level[0] == 'd' ? LOG_DEBUG
                                  : LOG_INFO;
    json_decref(view);
    return op;
}

struct keep_op *keep_op_window(const char *run, const char *region, int64_t second,
                               const struct window *w)
{
    struct keep_op *op = keep_op_new(KEEP_WINDOW, run);

    op->second = second;
    op->region = arena_strdup(&op->arena, region);
    keep_op_set_window(op, w);
    return op;
}

void keep_op_set_phase(struct keep_op *op, json_t *view, int64_t started, int64_t ended)
{
    const json_t *code = json_object_get(view, "exit_code");

    op->phase = (struct store_phase){
        .phase = text_of(op, view, "phase"),
        .result = text_or(op, view, "result", NULL),
        .exit_code = json_is_integer(code) ? json_integer_value(code) : STORE_NO_EXIT_CODE,
        .started = started,
        .ended = ended,
    };
    op->phase.state = keep_op_json(op, view);
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

struct keep_op *keep_op_thresholds(const char *run, json_t *view)
{
    const json_t *items = json_object_get(view, "items");
    size_t count = json_array_size(items);
    struct keep_op *op = NULL;

    if (count > 0) {
        op = keep_op_new(KEEP_THRESHOLDS, run);
        op->thresholds = arena_zalloc(&op->arena, count * sizeof *op->thresholds);
        for (; op->count < count; op->count++)
            op->thresholds[op->count] = threshold_of(op, json_array_get(items, op->count));
    }
    json_decref(view);
    return op;
}

struct keep_op *keep_op_agents(const char *run, json_t *view)
{
    const json_t *items = json_object_get(view, "items");
    size_t count = json_array_size(items);
    struct keep_op *op = NULL;

    if (count > 0) {
        op = keep_op_new(KEEP_AGENTS, run);
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

/* The oldest first: the store lists by its own ids, the newest first. */
struct keep_op *keep_op_exemplars(const char *run, const struct exemplars *e)
{
    struct keep_op *op = keep_op_new(KEEP_EXEMPLARS, run);
    size_t count;
    const struct exemplar **list = exemplars_list(e, &count);

    op->exemplars = arena_zalloc(&op->arena, (count + 1) * sizeof *op->exemplars);
    for (size_t i = count; i-- > 0;) {
        json_t *data = exemplar_data(list[i]);
        char *text = json_dumps(data, JSON_COMPACT);

        if (text && list[i]->second >= 0)
            op->exemplars[op->exemplar_count++] = (struct store_exemplar){
                .second = list[i]->second,
                .kind = exemplar_kind(list[i]),
                .region = arena_str(&op->arena, exemplar_region(list[i])).ptr,
                .data = arena_strdup(&op->arena, text),
            };
        free(text);
        json_decref(data);
    }
    mem_free((void *)list);
    return op;
}

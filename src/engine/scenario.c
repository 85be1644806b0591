#include "engine/scenario.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/options.h"
#include "engine/options_read.h"

#define DEFAULT_GRACE (30 * NSEC_PER_SEC)
#define DEFAULT_MAX_DURATION (600 * NSEC_PER_SEC)

static const struct {
    const char *name;
    const char *fields; /* its own, besides those that all have */
} executors[] = {
    [EXECUTOR_SHARED_ITERATIONS] = {"shared-iterations", " vus iterations maxDuration "},
    [EXECUTOR_PER_VU_ITERATIONS] = {"per-vu-iterations", " vus iterations maxDuration "},
    [EXECUTOR_CONSTANT_VUS] = {"constant-vus", " vus duration "},
    [EXECUTOR_RAMPING_VUS] = {"ramping-vus", " startVUs stages gracefulRampDown "},
    [EXECUTOR_CONSTANT_ARRIVAL_RATE] = {"constant-arrival-rate",
                                        " rate timeUnit duration preAllocatedVUs maxVUs "},
    [EXECUTOR_RAMPING_ARRIVAL_RATE] = {"ramping-arrival-rate",
                                       " startRate timeUnit stages preAllocatedVUs maxVUs "},
};

static const char common_fields[] = " executor startTime gracefulStop exec env tags options ";

struct str executor_fields(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(executors); i++) {
        if (str_eq_c(name, executors[i].name))
            return str_of(executors[i].fields);
    }
    return STR("");
}

const char *executor_name(enum executor_kind kind)
{
    return executors[kind].name;
}

/* --- reading fields ----------------------------------------------------------------------- */

/* Checks a field by an option's kind; *out stays NULL when it is not given. Owned by the caller. */
static int field(const json_t *json, const char *key, enum option_kind kind, json_t **out,
                 struct diag *d)
{
    const json_t *value = json_object_get(json, key);
    int err;

    *out = NULL;
    if (!value || json_is_null(value))
        return 0;
    err = option_check(kind, value, out, d);
    if (err)
        diag_prefix(d, "%s", key);
    return err;
}

static int field_int(const json_t *json, const char *key, uint64_t *out, struct diag *d)
{
    json_t *value;
    int err = field(json, key, OPTION_KIND_INT, &value, d);

    if (value)
        *out = (uint64_t)json_integer_value(value);
    json_decref(value);
    return err;
}

static int field_nsec(const json_t *json, const char *key, int64_t *out, struct diag *d)
{
    json_t *value;
    int err = field(json, key, OPTION_KIND_DURATION, &value, d);

    if (value)
        err = options_json_nsec(value, out, d);
    json_decref(value);
    return err;
}

static bool given(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    return value && !json_is_null(value);
}

static int missing(struct diag *d, const char *key, const char *example)
{
    return diag_set(d, ERR_INVALID, "%s is missing: give it as in %s: %s", key, key, example);
}

static int read_stages(const json_t *json, struct scenario *s, struct diag *d)
{
    json_t *stages;
    json_t *stage;
    size_t i;
    int err;

    if (!given(json, "stages"))
        return missing(d, "stages", "[{duration: '1m', target: 10}]");
    err = field(json, "stages", OPTION_KIND_STAGES, &stages, d);
    if (err)
        return err;
    s->stage_count = json_array_size(stages);
    s->stages = mem_calloc(s->stage_count + 1, sizeof *s->stages);
    json_array_foreach(stages, i, stage)
    {
        s->stages[i].target = (uint64_t)json_integer_value(json_object_get(stage, "target"));
        err = options_json_nsec(json_object_get(stage, "duration"), &s->stages[i].duration_nsec, d);
        s->duration_nsec += s->stages[i].duration_nsec;
    }
    json_decref(stages);
    if (s->stage_count == 0)
        return diag_set(d, ERR_INVALID, "stages is empty: at least one is needed");
    return err;
}

/* --- executors ---------------------------------------------------------------------------- */

static int read_iterations(const json_t *json, struct scenario *s, struct diag *d)
{
    int err;

    s->vus = 1;
    s->iterations = 1;
    s->duration_nsec = DEFAULT_MAX_DURATION;
    err = field_int(json, "vus", &s->vus, d);
    if (err == 0)
        err = field_int(json, "iterations", &s->iterations, d);
    if (err == 0)
        err = field_nsec(json, "maxDuration", &s->duration_nsec, d);
    if (err)
        return err;
    if (s->iterations == 0)
        return diag_set(d, ERR_INVALID, "iterations must be more than 0");
    if (s->kind == EXECUTOR_SHARED_ITERATIONS && s->iterations < s->vus)
        return diag_set(d, ERR_INVALID,
                        "iterations (%llu) must not be fewer than vus (%llu): some would never run",
                        (unsigned long long)s->iterations, (unsigned long long)s->vus);
    return 0;
}

static int read_constant_vus(const json_t *json, struct scenario *s, struct diag *d)
{
    int err;

    s->vus = 1;
    err = field_int(json, "vus", &s->vus, d);
    if (err == 0 && !given(json, "duration"))
        return missing(d, "duration", "'30s'");
    if (err == 0)
        err = field_nsec(json, "duration", &s->duration_nsec, d);
    if (err == 0 && s->duration_nsec < NSEC_PER_SEC)
        return diag_set(d, ERR_INVALID, "duration must be at least 1s");
    return err;
}

static int read_ramping_vus(const json_t *json, struct scenario *s, struct diag *d)
{
    int err;

    s->start_vus = 1;
    s->graceful_ramp_down_nsec = DEFAULT_GRACE;
    err = field_int(json, "startVUs", &s->start_vus, d);
    if (err == 0)
        err = field_nsec(json, "gracefulRampDown", &s->graceful_ramp_down_nsec, d);
    if (err == 0)
        err = read_stages(json, s, d);
    if (err == 0)
        s->vus = pacer_max_vus(s->start_vus, s->stages, s->stage_count);
    if (err == 0 && s->vus == 0)
        return diag_set(d, ERR_INVALID, "either startVUs or a stage's target must be more than 0");
    return err;
}

static int read_rate(const json_t *json, struct scenario *s, struct diag *d)
{
    bool constant = s->kind == EXECUTOR_CONSTANT_ARRIVAL_RATE;
    int err;

    s->unit_nsec = NSEC_PER_SEC;
    err = field_int(json, constant ? "rate" : "startRate", &s->start_rate, d);
    if (err == 0)
        err = field_nsec(json, "timeUnit", &s->unit_nsec, d);
    if (err == 0)
        err = field_int(json, "preAllocatedVUs", &s->vus, d);
    s->max_vus = s->vus;
    if (err == 0)
        err = field_int(json, "maxVUs", &s->max_vus, d);
    if (err)
        return err;
    if (s->unit_nsec <= 0)
        return diag_set(d, ERR_INVALID, "timeUnit must be more than 0");
    if (!given(json, "preAllocatedVUs"))
        return missing(d, "preAllocatedVUs", "10");
    if (s->max_vus < s->vus)
        return diag_set(d, ERR_INVALID, "maxVUs must not be below preAllocatedVUs");
    if (s->max_vus == 0)
        return diag_set(d, ERR_INVALID, "preAllocatedVUs or maxVUs must be more than 0");
    return 0;
}

static int read_arrival_rate(const json_t *json, struct scenario *s, struct diag *d)
{
    int err = read_rate(json, s, d);

    if (err)
        return err;
    if (s->kind == EXECUTOR_RAMPING_ARRIVAL_RATE)
        return read_stages(json, s, d);
    if (!given(json, "rate") || s->start_rate == 0)
        return missing(d, "rate", "50 (iterations per timeUnit)");
    if (!given(json, "duration"))
        return missing(d, "duration", "'30s'");
    err = field_nsec(json, "duration", &s->duration_nsec, d);
    if (err == 0 && s->duration_nsec < NSEC_PER_SEC)
        return diag_set(d, ERR_INVALID, "duration must be at least 1s");
    s->stages = mem_calloc(1, sizeof *s->stages);
    s->stages[0] = (struct stage){s->duration_nsec, s->start_rate};
    s->stage_count = 1;
    return err;
}

static int read_by_kind(const json_t *json, struct scenario *s, struct diag *d)
{
    switch (s->kind) {
    case EXECUTOR_SHARED_ITERATIONS:
    case EXECUTOR_PER_VU_ITERATIONS:
        return read_iterations(json, s, d);
    case EXECUTOR_CONSTANT_VUS:
        return read_constant_vus(json, s, d);
    case EXECUTOR_RAMPING_VUS:
        return read_ramping_vus(json, s, d);
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        return read_arrival_rate(json, s, d);
    }
    return ERR_INVALID;
}

/* --- one scenario ------------------------------------------------------------------------- */

static int read_executor(const json_t *json, struct scenario *s, struct diag *d)
{
    const char *name = json_string_value(json_object_get(json, "executor"));

    if (name && strcmp(name, "externally-controlled") == 0)
        return diag_set(d, ERR_INVALID,
                        "executor 'externally-controlled' was removed in k6 v2: use ramping-vus");
    for (size_t i = 0; name && i < COUNT_OF(executors); i++) {
        if (strcmp(name, executors[i].name) == 0) {
            s->kind = (enum executor_kind)i;
            return 0;
        }
    }
    return diag_set(d, ERR_INVALID,
                    "%s%s%s: use shared-iterations, per-vu-iterations, constant-vus, ramping-vus, "
                    "constant-arrival-rate or ramping-arrival-rate",
                    name ? "unknown executor '" : "executor is missing", name ? name : "",
                    name ? "'" : "");
}

static int check_fields(const json_t *json, const struct scenario *s, struct diag *d)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        char padded[80];

        snprintf(padded, sizeof padded, " %s ", key);
        if (!strstr(common_fields, padded) && !strstr(executors[s->kind].fields, padded))
            return diag_set(
                d, ERR_INVALID, "unknown field '%s': %s has %.*s, and as every one %.*s", key,
                executors[s->kind].name, STR_ARG(str_trim(str_of(executors[s->kind].fields))),
                STR_ARG(str_trim(str_of(common_fields))));
    }
    return 0;
}

static int read_common(const json_t *json, struct scenario *s, struct diag *d)
{
    json_t *exec = NULL;
    int err = field_nsec(json, "startTime", &s->start_nsec, d);

    s->graceful_stop_nsec = DEFAULT_GRACE;
    if (err == 0)
        err = field_nsec(json, "gracefulStop", &s->graceful_stop_nsec, d);
    if (err == 0)
        err = field(json, "exec", OPTION_KIND_STRING, &exec, d);
    s->exec = mem_strdup(exec ? json_string_value(exec) : "default");
    json_decref(exec);
    if (err == 0 && s->exec[0] == '\0')
        err = diag_set(d, ERR_INVALID, "exec is empty: name an exported function");
    if (err == 0)
        err = field(json, "env", OPTION_KIND_MAP, &s->env, d);
    if (err == 0)
        err = field(json, "tags", OPTION_KIND_MAP, &s->tags, d);
    return err;
}

static void free_scenario(struct scenario *s)
{
    mem_free(s->name);
    mem_free(s->exec);
    mem_free(s->stages);
    json_decref(s->env);
    json_decref(s->tags);
    mem_free(s);
}

static bool is_valid_name(const char *name)
{
    if (!*name)
        return false;
    for (; *name; name++) {
        if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-", *name))
            return false;
    }
    return true;
}

static int read_scenario(const char *name, const json_t *json, struct scenario_list *list,
                         struct diag *d)
{
    struct scenario *s = mem_zalloc(sizeof *s);
    int err = 0;

    s->name = mem_strdup(name);
    s->index = list->count;
    list->list = mem_reallocarray((void *)list->list, list->count + 1, sizeof *list->list);
    list->list[list->count++] = s;
    if (!is_valid_name(name))
        err = diag_set(d, ERR_INVALID, "a name may have letters, digits, - and _ only");
    if (err == 0 && !json_is_object(json))
        err = diag_set(d, ERR_INVALID, "expected an object");
    if (err == 0)
        err = read_executor(json, s, d);
    if (err == 0)
        err = check_fields(json, s, d);
    if (err == 0)
        err = read_common(json, s, d);
    if (err == 0)
        err = read_by_kind(json, s, d);
    if (err == 0 && s->max_vus == 0)
        s->max_vus = s->vus;
    if (err == 0 && s->vus == 0 && s->max_vus == 0)
        err = diag_set(d, ERR_INVALID, "vus must be more than 0");
    if (err == 0 && s->max_vus > SCENARIO_MAX_VUS)
        err = diag_set(d, ERR_INVALID, "more than 100 million VUs");
    if (err)
        diag_prefix(d, "scenario '%s'", name);
    return err;
}

/* --- all of them -------------------------------------------------------------------------- */

/* The shortcuts as a scenario object (OPT-03). */
static json_t *from_shortcuts(const struct options *o)
{
    json_t *s = json_object();
    json_t *vus = o->values[OPTION_VUS];

    if (o->values[OPTION_ITERATIONS]) {
        json_object_set_new(s, "executor", json_string("shared-iterations"));
        json_object_set(s, "iterations", o->values[OPTION_ITERATIONS]);
        if (o->values[OPTION_DURATION])
            json_object_set(s, "maxDuration", o->values[OPTION_DURATION]);
    } else if (o->values[OPTION_DURATION]) {
        json_object_set_new(s, "executor", json_string("constant-vus"));
        json_object_set(s, "duration", o->values[OPTION_DURATION]);
    } else if (o->values[OPTION_STAGES] && json_array_size(o->values[OPTION_STAGES]) > 0) {
        json_object_set_new(s, "executor", json_string("ramping-vus"));
        json_object_set(s, "stages", o->values[OPTION_STAGES]);
        json_object_set_new(s, "startVUs", vus ? json_incref(vus) : json_integer(1));
        return s;
    } else if (vus) {
        json_object_set_new(s, "executor", json_string("shared-iterations"));
        json_object_set(s, "iterations", vus);
    } else {
        json_object_set_new(s, "executor", json_string("per-vu-iterations"));
    }
    if (vus)
        json_object_set(s, "vus", vus);
    return s;
}

int scenarios_derive(const struct options *o, struct scenario_list *out, struct diag *d)
{
    const json_t *all = o->values[OPTION_SCENARIOS];
    const char *name;
    json_t *value;
    int err = 0;

    *out = (struct scenario_list){NULL, 0};
    if (all && json_object_size(all) > 0) {
        json_object_foreach((json_t *)(uintptr_t)all, name, value)
        {
            err = read_scenario(name, value, out, d);
            if (err)
                break;
        }
    } else {
        value = from_shortcuts(o);
        err = read_scenario("default", value, out, d);
        json_decref(value);
    }
    if (err)
        scenarios_deinit(out);
    return err;
}

void scenarios_deinit(struct scenario_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free_scenario(list->list[i]);
    mem_free((void *)list->list);
    *list = (struct scenario_list){NULL, 0};
}

static int64_t end_of(const struct scenario *s)
{
    return s->start_nsec + s->duration_nsec + s->graceful_stop_nsec;
}

int64_t scenarios_duration(const struct scenario_list *list)
{
    int64_t last = 0;

    for (size_t i = 0; i < list->count; i++)
        last = end_of(list->list[i]) > last ? end_of(list->list[i]) : last;
    return last;
}

/* The most at any scenario's start: the sum can only rise there. */
uint64_t scenarios_most_vus(const struct scenario_list *list, const uint64_t *vus)
{
    uint64_t most = 0;

    for (size_t i = 0; i < list->count; i++) {
        int64_t at = list->list[i]->start_nsec;
        uint64_t sum = 0;

        for (size_t j = 0; j < list->count; j++) {
            const struct scenario *s = list->list[j];

            if (s->start_nsec <= at && at < end_of(s))
                sum += vus[j];
        }
        most = sum > most ? sum : most;
    }
    return most;
}

double scenario_most_rate(const struct scenario *s)
{
    uint64_t most = s->start_rate;

    if (s->kind != EXECUTOR_CONSTANT_ARRIVAL_RATE && s->kind != EXECUTOR_RAMPING_ARRIVAL_RATE)
        return 0;
    for (size_t i = 0; i < s->stage_count; i++)
        most = s->stages[i].target > most ? s->stages[i].target : most;
    return (double)most * (double)NSEC_PER_SEC / (double)s->unit_nsec;
}

/* --- description -------------------------------------------------------------------------- */

/* What comes before the parentheses. */
static void describe_work(const struct scenario *s, struct buf *out)
{
    unsigned long long vus = s->vus;
    unsigned long long iterations = s->iterations;
    char duration[48];

    duration_format(s->duration_nsec, duration, sizeof duration);
    switch (s->kind) {
    case EXECUTOR_SHARED_ITERATIONS:
        buf_printf(out, "%llu iterations shared among %llu VUs (maxDuration: %s", iterations, vus,
                   duration);
        break;
    case EXECUTOR_PER_VU_ITERATIONS:
        buf_printf(out, "%llu iterations for each of %llu VUs (maxDuration: %s", iterations, vus,
                   duration);
        break;
    case EXECUTOR_CONSTANT_VUS:
        buf_printf(out, "%llu looping VUs for %s (", vus, duration);
        break;
    case EXECUTOR_RAMPING_VUS:
        buf_printf(out, "Up to %llu looping VUs for %s over %zu stages (gracefulRampDown: ", vus,
                   duration, s->stage_count);
        buf_append_c(out, duration_format(s->graceful_ramp_down_nsec, duration, sizeof duration));
        break;
    case EXECUTOR_CONSTANT_ARRIVAL_RATE:
    case EXECUTOR_RAMPING_ARRIVAL_RATE:
        if (s->kind == EXECUTOR_RAMPING_ARRIVAL_RATE)
            buf_append_c(out, "Up to ");
        buf_printf(out, "%.2f iterations/s", scenario_most_rate(s));
        buf_printf(out, " for %s", duration);
        if (s->kind == EXECUTOR_RAMPING_ARRIVAL_RATE)
            buf_printf(out, " over %zu stages", s->stage_count);
        if (s->max_vus > s->vus)
            buf_printf(out, " (maxVUs: %llu-%llu", vus, (unsigned long long)s->max_vus);
        else
            buf_printf(out, " (maxVUs: %llu", vus);
        break;
    }
}

char *scenario_describe(const struct scenario *s)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    char text[48];

    describe_work(s, &out);
    if (strcmp(s->exec, "default") != 0)
        buf_printf(&out, "%sexec: %s", out.data[out.len - 1] == '(' ? "" : ", ", s->exec);
    if (s->start_nsec > 0)
        buf_printf(&out, "%sstartTime: %s", out.data[out.len - 1] == '(' ? "" : ", ",
                   duration_format(s->start_nsec, text, sizeof text));
    if (s->graceful_stop_nsec > 0)
        buf_printf(&out, "%sgracefulStop: %s", out.data[out.len - 1] == '(' ? "" : ", ",
                   duration_format(s->graceful_stop_nsec, text, sizeof text));
    buf_append_char(&out, ')');
    return buf_take(&out);
}

#include "engine/options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/options_read.h"
#include "engine/scenario.h"

const struct option_info option_table[OPTION_COUNT] = {
#define OPTION(id, key, kind, flag, short_flag, def, arg, help)                                    \
    {OPTION_##id, (key), OPTION_KIND_##kind, (flag), (short_flag), (def), (arg), (help)},
#include "engine/options.def"
#undef OPTION
};

static const enum option_id execution[] = {OPTION_DURATION, OPTION_ITERATIONS, OPTION_STAGES,
                                           OPTION_SCENARIOS};

const struct option_info *option_by_key(struct str key)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (option_table[i].key[0] && str_eq_c(key, option_table[i].key))
            return &option_table[i];
    }
    return NULL;
}

void options_init(struct options *o)
{
    *o = (struct options){0};
}

void options_deinit(struct options *o)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        json_decref(o->values[i]);
    for (size_t i = 0; i < o->warning_count; i++)
        mem_free(o->warnings[i]);
    mem_free((void *)o->warnings);
    options_init(o);
}

static void warn(struct options *o, char *text)
{
    o->warnings = mem_reallocarray((void *)o->warnings, o->warning_count + 1, sizeof(char *));
    o->warnings[o->warning_count++] = text;
}

/* --- merging ------------------------------------------------------------------------------ */

/* The tier's value of an option; gale's own options have no key and go by their flag. */
static const json_t *tier_value(const json_t *tier, const struct option_info *info)
{
    const json_t *value = json_object_get(tier, info->key[0] ? info->key : info->flag);

    return json_is_null(value) ? NULL : value;
}

static bool has(const json_t *tier, enum option_id id)
{
    return tier_value(tier, &option_table[id]) != NULL;
}

static int check_conflicts(const json_t *tier, struct diag *d)
{
    static const enum option_id pairs[][2] = {{OPTION_ITERATIONS, OPTION_STAGES},
                                              {OPTION_DURATION, OPTION_STAGES},
                                              {OPTION_SCENARIOS, OPTION_STAGES},
                                              {OPTION_SCENARIOS, OPTION_DURATION},
                                              {OPTION_SCENARIOS, OPTION_ITERATIONS}};

    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        if (has(tier, pairs[i][0]) && has(tier, pairs[i][1]))
            return diag_set(d, ERR_INVALID, "%s and %s can't be given together: use one of them",
                            option_table[pairs[i][0]].key, option_table[pairs[i][1]].key);
    }
    return 0;
}

/* Drops what lower tiers said of execution when this one says anything (CFG-02). */
static void override_execution(struct options *o, enum option_tier which, const json_t *tier)
{
    bool overrides = which >= TIER_ENV && has(tier, OPTION_VUS) && o->values[OPTION_SCENARIOS];

    for (size_t i = 0; i < COUNT_OF(execution); i++)
        overrides = overrides || has(tier, execution[i]);
    if (!overrides)
        return;
    if (o->values[OPTION_SCENARIOS] && !has(tier, OPTION_SCENARIOS))
        warn(o,
             mem_strdup(which == TIER_FLAGS ? "the flags replace the script's scenarios"
                                            : "the environment replaces the script's scenarios"));
    for (size_t i = 0; i < COUNT_OF(execution); i++) {
        json_decref(o->values[execution[i]]);
        o->values[execution[i]] = NULL;
    }
}

static void warn_unknown(struct options *o, const json_t *tier)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)tier, key, value)
    {
        bool known = option_by_key(str_of(key)) != NULL;

        for (size_t i = 0; i < OPTION_COUNT && !known; i++)
            known = !option_table[i].key[0] && strcmp(option_table[i].flag, key) == 0;
        if (!known)
            warn(o, mem_printf("unknown option '%s' is ignored", key));
    }
}

/* OPT-07. */
static int check_timeout(enum option_id id, const json_t *checked, struct diag *d)
{
    int64_t nsec = 1;

    if (id != OPTION_SETUP_TIMEOUT && id != OPTION_TEARDOWN_TIMEOUT)
        return 0;
    if (options_json_nsec(checked, &nsec, d) == 0 && nsec > 0)
        return 0;
    return diag_set(d, ERR_INVALID, "it must be more than 0");
}

int options_apply(struct options *o, enum option_tier which, const json_t *tier, struct diag *d)
{
    int err = check_conflicts(tier, d);

    if (err)
        return err;
    if (which <= TIER_SCRIPT)
        warn_unknown(o, tier);
    override_execution(o, which, tier);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_info *info = &option_table[i];
        const json_t *value = tier_value(tier, info);
        json_t *checked = NULL;

        if (!value)
            continue;
        err = option_check(info->kind, value, &checked, d);
        if (err)
            checked = NULL; /* whatever it had begun is gone */
        else
            err = check_timeout(info->id, checked, d);
        if (err) {
            json_decref(checked);
            diag_prefix(d, "option %s", info->key[0] ? info->key : info->flag);
            return err;
        }
        json_decref(o->values[i]);
        o->values[i] = checked;
    }
    return 0;
}

/* --- text --------------------------------------------------------------------------------- */

int options_read_text(json_t *tier, const struct option_info *info, struct str text, struct diag *d)
{
    const char *key = info->key[0] ? info->key : info->flag;
    json_t *before = json_object_get(tier, key);
    json_t *value;
    int err = option_from_text(info->kind, text, &value, d);

    if (err)
        return err;
    if (json_is_array(before) && json_is_array(value)) {
        json_array_extend(before, value);
        json_decref(value);
    } else if (json_is_object(before) && json_is_object(value)) {
        json_object_update(before, value);
        json_decref(value);
    } else {
        json_object_set_new(tier, key, value);
    }
    return 0;
}

bool option_env_name(const struct option_info *info, char *out, size_t size)
{
    static const enum option_id unsettable[] = {OPTION_SCENARIOS,
                                                OPTION_EXECUTION_SEGMENT,
                                                OPTION_EXECUTION_SEGMENT_SEQUENCE,
                                                OPTION_TLS_VERSION,
                                                OPTION_EXT,
                                                OPTION_CLOUD,
                                                OPTION_FEATURES};
    size_t len = (size_t)snprintf(out, size, info->key[0] ? "K6_" : "GALE_");
    const char *name = info->key[0] ? info->key : info->flag;

    for (size_t i = 0; i < COUNT_OF(unsettable); i++) {
        if (unsettable[i] == info->id)
            return false;
    }
    if (info->id == OPTION_TLS_AUTH || info->id == OPTION_TRACING) {
        snprintf(out, size, "%s",
                 info->id == OPTION_TRACING ? "GALE_TRACE_PROPAGATION" : "K6_TLSAUTH");
        return true;
    }
    /* A new word begins at a capital that follows a small letter, or that a small one follows. */
    for (size_t i = 0; name[i] && len + 2 < size; i++) {
        bool capital = isupper((unsigned char)name[i]) != 0;
        bool after_small = i > 0 && islower((unsigned char)name[i - 1]);
        bool before_small =
            i > 0 && name[i + 1] && islower((unsigned char)name[i + 1]) && name[i + 1] != 's';

        if (name[i] == '-') {
            out[len++] = '_';
            continue;
        }
        if (capital && (after_small || before_small))
            out[len++] = '_';
        out[len++] = (char)toupper((unsigned char)name[i]);
    }
    out[len] = '\0';
    return true;
}

int options_read_env(const char *(*get)(const char *name), json_t **tier, struct diag *d)
{
    json_t *object = json_object();
    char name[64];

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const char *text;
        int err;

        if (!option_env_name(&option_table[i], name, sizeof name))
            continue;
        text = get(name);
        if (!text || (text[0] == '\0' && option_table[i].kind != OPTION_KIND_STRING))
            continue;
        err = options_read_text(object, &option_table[i], str_of(text), d);
        if (err) {
            diag_prefix(d, "environment variable %s", name);
            json_decref(object);
            return err;
        }
    }
    *tier = object;
    return 0;
}

/* --- typed values ------------------------------------------------------------------------- */

bool options_is_set(const struct options *o, enum option_id id)
{
    return o->values[id] != NULL;
}

bool options_bool(const struct options *o, enum option_id id)
{
    if (o->values[id])
        return json_is_true(o->values[id]);
    return strcmp(option_table[id].def, "true") == 0;
}

int64_t options_int(const struct options *o, enum option_id id)
{
    int64_t value = 0;

    if (o->values[id])
        return json_integer_value(o->values[id]);
    if (option_table[id].kind == OPTION_KIND_SIZE)
        option_parse_size(str_of(option_table[id].def), &value);
    else
        str_to_i64(str_of(option_table[id].def), &value);
    return value;
}

int64_t options_nsec(const struct options *o, enum option_id id)
{
    const char *text = o->values[id] ? json_string_value(o->values[id]) : option_table[id].def;
    int64_t nsec;

    return text && duration_parse(str_of(text), &nsec) == 0 ? nsec : 0;
}

struct str options_text(const struct options *o, enum option_id id)
{
    if (o->values[id])
        return str_from(json_string_value(o->values[id]), json_string_length(o->values[id]));
    return str_of(option_table[id].def);
}

json_t *options_list(const struct options *o, enum option_id id)
{
    json_t *list;

    if (o->values[id])
        return json_incref(o->values[id]);
    if (option_from_text(OPTION_KIND_STRINGS, str_of(option_table[id].def), &list, NULL))
        list = json_array();
    return list;
}

const json_t *options_object(const struct options *o, enum option_id id)
{
    return o->values[id];
}

/* --- printing ----------------------------------------------------------------------------- */

/* Options that k6 prints with their parts though they are unset. */
static json_t *printed(const struct options *o, const struct option_info *info)
{
    if (info->id == OPTION_DNS) {
        json_t *dns = json_pack("{s:n, s:n, s:n}", "ttl", "select", "policy");

        if (o->values[info->id])
            json_object_update(dns, o->values[info->id]);
        return dns;
    }
    if (o->values[info->id])
        return json_deep_copy(o->values[info->id]);
    if (info->id == OPTION_SUMMARY_TREND_STATS || info->id == OPTION_SYSTEM_TAGS)
        return options_list(o, info->id);
    return json_null();
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* k6 shows maps by the order of their keys. Takes the object over. */
static json_t *sorted(json_t *object)
{
    size_t count = json_object_size(object);
    const char **keys = mem_calloc(count + 1, sizeof *keys);
    json_t *out = json_object();
    const char *key;
    json_t *value;
    size_t i = 0;

    json_object_foreach(object, key, value)
    {
        keys[i++] = key;
    }
    qsort((void *)keys, count, sizeof *keys, by_text);
    for (i = 0; i < count; i++)
        json_object_set(out, keys[i], json_object_get(object, keys[i]));
    mem_free((void *)keys);
    json_decref(object);
    return out;
}

/* A scenario shows all the keys that scenarios share and its executor's, null where unset. */
static void print_scenarios(json_t *scenarios)
{
    const char *name;
    json_t *scenario;

    json_object_foreach(scenarios, name, scenario)
    {
        json_t *full = json_pack("{s:n, s:n, s:n, s:n, s:n, s:n}", "executor", "startTime",
                                 "gracefulStop", "env", "exec", "tags");
        struct str fields =
            executor_fields(str_of(json_string_value(json_object_get(scenario, "executor"))));

        while (fields.len > 0) {
            char *field = str_dup(str_cut(&fields, ' '));

            if (field[0])
                json_object_set_new(full, field, json_null());
            mem_free(field);
        }
        json_object_update(full, scenario);
        json_object_clear(scenario);
        json_object_update(scenario, full);
        json_decref(full);
    }
}

json_t *options_to_json(const struct options *o)
{
    json_t *all = json_object();

    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option_info *info = &option_table[i];
        json_t *value;

        if (!info->key[0] || info->id == OPTION_CONSOLE_OUTPUT || info->id == OPTION_LOCAL_IPS ||
            ((info->id == OPTION_CLOUD || info->id == OPTION_TRACING) && !o->values[i]))
            continue;
        value = printed(o, info);
        if (json_is_object(value) &&
            (info->kind == OPTION_KIND_SCENARIOS || info->kind == OPTION_KIND_THRESHOLDS ||
             info->kind == OPTION_KIND_MAP))
            value = sorted(value);
        if (info->kind == OPTION_KIND_SCENARIOS && json_is_object(value))
            print_scenarios(value);
        json_object_set_new(all, info->key, value);
    }
    return all;
}

char *options_json_text(const json_t *json)
{
    char *plain = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);
    struct buf out = BUF_INIT(SIZE_MAX);

    for (const char *c = plain; c && *c; c++) {
        if (*c == '<' || *c == '>' || *c == '&')
            buf_printf(&out, "\\u%04x", *c);
        else
            buf_append_char(&out, *c);
    }
    free(plain);
    return buf_take(&out);
}

/* What was found in a script (Found of docs/api/openapi.yaml). */
#include <string.h>

#include "api/fleet_views.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/scenario.h"

enum { MAX_NAMES = 200 };

/* --- names in the text ---------------------------------------------------------------------- */

static void add_name(json_t *list, struct str name)
{
    json_t *known;
    size_t i;

    json_array_foreach(list, i, known)
    {
        if (str_eq_c(name, json_string_value(known)))
            return;
    }
    if (json_array_size(list) < MAX_NAMES)
        json_array_append_new(list, json_stringn(name.ptr, name.len));
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* __ENV.NAME, __ENV['NAME'], __ENV["NAME"] */
static json_t *env_names(const char *script)
{
    json_t *names = json_array();
    const char *at = script;

    while ((at = strstr(at, "__ENV")) != NULL) {
        const char *name = at += strlen("__ENV");
        size_t len = 0;

        if (*name == '?')
            name++;
        if (*name == '.')
            name++;
        else if (*name == '[' && (name[1] == '\'' || name[1] == '"'))
            name += 2;
        else
            continue;
        while (is_name_char(name[len]))
            len++;
        if (len > 0)
            add_name(names, str_from(name, len));
    }
    return names;
}

/* 'k6', "k6/http": what is imported, or required. */
static json_t *module_names(const char *script)
{
    json_t *names = json_array();

    for (const char *at = script; (at = strstr(at, "k6")) != NULL; at += 2) {
        char quote = at > script ? at[-1] : '\0';
        const char *end = quote == '\'' || quote == '"' ? strchr(at, quote) : NULL;

        if (end && (at[2] == quote || at[2] == '/') && end - at < 100)
            add_name(names, str_from(at, (size_t)(end - at)));
    }
    return names;
}

/* --- the rest ------------------------------------------------------------------------------- */

static json_t *scenario_json(const struct scenario *s)
{
    return json_pack("{s:s, s:s, s:I, s:f, s:f, s:f, s:s}", "name", s->name, "executor",
                     executor_name(s->kind), "max_vus", (json_int_t)s->max_vus, "duration_seconds",
                     nsec_to_sec(s->duration_nsec), "start_seconds", nsec_to_sec(s->start_nsec),
                     "graceful_stop_seconds", nsec_to_sec(s->graceful_stop_nsec), "exec", s->exec);
}

/* What is set: the others have their defaults. */
static json_t *set_options(const struct prepared *p)
{
    json_t *set = json_object();
    const char *key;
    json_t *value;

    json_object_foreach(json_object_get(p->metadata, "options"), key, value)
    {
        if (!json_is_null(value))
            json_object_set(set, key, value);
    }
    return set;
}

static json_t *distribution_of(const struct prepared *p, json_t *warnings)
{
    const json_t *cloud = options_object(&p->options, OPTION_CLOUD);
    json_t *list = json_array();
    struct diag d = DIAG_INIT;
    struct shares shares;

    if (shares_from_distribution(json_object_get(cloud, "distribution"), &shares, &d)) {
        json_array_append_new(warnings, json_string(d.message));
        diag_deinit(&d);
        return list;
    }
    for (size_t i = 0; i < shares.count; i++)
        json_array_append_new(list, json_pack("{s:s, s:f}", "region", shares.list[i].region,
                                              "share", (double)shares.list[i].weight / 1e6));
    shares_deinit(&shares);
    return list;
}

json_t *view_found(const struct prepared *p)
{
    json_t *scenarios = json_array();
    json_t *warnings = json_array();
    struct planner_load load;

    planner_load_of(&p->scenarios, &load);
    for (size_t i = 0; i < p->scenarios.count; i++)
        json_array_append_new(scenarios, scenario_json(p->scenarios.list[i]));
    for (size_t i = 0; i < p->options.warning_count; i++)
        json_array_append_new(warnings, json_string(p->options.warnings[i]));
    return json_pack("{s:o, s:o, s:I, s:f, s:o, s:o, s:o, s:o}", "options", set_options(p),
                     "scenarios", scenarios, "max_vus", (json_int_t)load.vus, "duration_seconds",
                     nsec_to_sec(scenarios_duration(&p->scenarios)), "distribution",
                     distribution_of(p, warnings), "env_names", env_names(p->script), "modules",
                     module_names(p->script), "warnings", warnings);
}

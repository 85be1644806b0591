#include "cli/fleet_host.h"

#include "base/err.h"
#include "base/mem.h"
#include "cli/archive.h"
#include "cli/load.h"
#include "cli/network.h"
#include "engine/options.h"
#include "engine/run.h"
#include "engine/scenario.h"
#include "script/files.h"
#include "script/script.h"

struct loaded {
    struct host_test base;
    struct options options;
    struct scenario_list scenarios;
    struct script *script;
};

static struct loaded *loaded_of(struct host_test *test)
{
    return CONTAINER_OF(test, struct loaded, base);
}

static void unload(void *arg, struct host_test *test)
{
    struct loaded *l = loaded_of(test);

    (void)arg;
    scenarios_deinit(&l->scenarios);
    options_deinit(&l->options);
    script_free(l->script);
    mem_free(l);
}

/* The archive's environment, then the order's. */
static void merge_env(const json_t *archived, const struct map *over, struct map *out)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)archived, name, value)
    {
        if (json_is_string(value))
            mem_free(map_set(out, str_of(name), mem_strdup(json_string_value(value))));
    }
    for (struct map_entry *e = map_first(over); e; e = map_next(over, e))
        mem_free(map_set(out, e->key, mem_strdup(e->value)));
}

static int open_script(struct loaded *l, const struct fleet_operator *operator,
                       struct archive_content * archive, const struct map *env, struct diag *d)
{
    struct script_open how = {.url = archive->main_url, .files = archive->files, .env = env};
    int err;

    if (load_secrets(operator->args, &how.secrets, d))
        return EXIT_CODE_CONFIG;
    archive->files = NULL; /* taken over */
    err = script_open(&how, &l->script, d);
    if (err == 0)
        return 0;
    return err == ERR_CANCELLED ? EXIT_CODE_SCRIPT_ABORT : EXIT_CODE_SCRIPT_ERROR;
}

/* The options are the archive's; tags of the instance come over the test's own. */
static int read_options(struct loaded *l, const json_t *archived, const struct map *tags,
                        struct diag *d)
{
    const json_t *own = json_object_get(archived, "tags");
    json_t *all = json_is_object(own) ? json_copy((json_t *)(uintptr_t)own) : json_object();
    json_t *tier = json_object();
    int err = options_apply(&l->options, TIER_SCRIPT, archived, d);

    for (struct map_entry *e = map_first(tags); e; e = map_next(tags, e))
        json_object_set_new(all, e->key.ptr, json_string(e->value));
    json_object_set_new(tier, "tags", all);
    if (err == 0)
        err = options_apply(&l->options, TIER_FLAGS, tier, d);
    json_decref(tier);
    if (err == 0)
        err = scenarios_derive(&l->options, &l->scenarios, d);
    return err ? EXIT_CODE_CONFIG : 0;
}

static int load(void *arg, const struct host_load *what, struct host_test **out, struct diag *d)
{
    struct loaded *l = mem_zalloc(sizeof *l);
    struct archive_content archive = {0};
    struct map env;
    int code;

    map_init(&env);
    options_init(&l->options);
    code = archive_read_test(what->archive, &archive, d) ? EXIT_CODE_SCRIPT_ERROR : 0;
    if (code == 0) {
        merge_env(json_object_get(archive.metadata, "env"), what->env, &env);
        code = open_script(l, arg, &archive, &env, d);
    }
    if (code == 0)
        code = read_options(l, json_object_get(archive.metadata, "options"), what->tags, d);
    if (code == 0 && scenarios_scale(&l->scenarios, what->scale_num, what->scale_den) != 0) {
        diag_set(d, ERR_LIMIT, "the load is too large when scaled");
        code = EXIT_CODE_CONFIG;
    }
    archive_content_deinit(&archive);
    map_deinit_with(&env, mem_free);
    l->base = (struct host_test){&l->options, &l->scenarios};
    if (code)
        unload(NULL, &l->base);
    else
        *out = &l->base;
    return code;
}

static struct runner *runner_new(void *arg, struct host_test *test)
{
    struct loaded *l = loaded_of(test);
    const struct fleet_operator *operator= arg;

    return script_runner_new(l->script, &l->options, &l->scenarios, &operator->network->network);
}

static int allow(void *arg, uint64_t vus, double rate, struct diag *d)
{
    const struct fleet_operator *operator= arg;

    return network_check_load(operator->network, vus, rate, d);
}

static void runner_free(void *arg, struct runner *runner)
{
    (void)arg;
    script_runner_free(runner);
}

struct host fleet_host(const struct fleet_operator *operator)
{
    return (struct host){.arg = (void *)(uintptr_t) operator,
                         .load = load,
                         .unload = unload,
                         .allow = allow,
                         .runner_new = runner_new,
                         .runner_free = runner_free};
}

/* Agents as child processes of this one. */
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/process.h"
#include "fleet/provision_children.h"

static struct children *children_of(struct provisioner *p)
{
    return CONTAINER_OF(p, struct children, provisioner);
}

/* Cuts the lines of `text` into a list that ends with NULL, in place. Heap: the list alone. */
static const char **cut_lines(char *text)
{
    struct str rest = str_of(text);
    const char **list = mem_calloc(1, sizeof *list);
    size_t count = 0;

    while (rest.len > 0) {
        struct str line = str_cut(&rest, '\n');

        if (line.len == 0)
            continue;
        text[line.ptr + line.len - text] = '\0';
        list = mem_reallocarray((void *)list, count + 2, sizeof *list);
        list[count++] = line.ptr;
        list[count] = NULL;
    }
    return list;
}

static int start_one(struct children *c, const char *region, const char *zone, struct diag *d)
{
    char *id = children_new_id(region);
    char *secret = c->config.environment ? c->config.environment(c->config.arg, id) : NULL;
    const char **env = cut_lines(secret);
    struct arg_list argv = {NULL, 0};
    int err;

    arg_list_add(&argv, c->program);
    arg_list_add_agent(&argv, c, id, region, zone);
    err = children_start(c,
                         &(struct child_start){.id = id,
                                               .region = region,
                                               .zone = zone,
                                               .argv = (const char *const *)argv.args,
                                               .env = env},
                         d);
    arg_list_deinit(&argv);
    mem_free((void *)env);
    mem_free(secret);
    mem_free(id);
    return err;
}

static int local_start(struct provisioner *p, const char *region, const char *zone, size_t count,
                       struct diag *d)
{
    struct children *c = children_of(p);
    int err = children_check(c, region, zone, count, d);

    for (size_t i = 0; i < count && err == 0; i++)
        err = start_one(c, region, zone, d);
    return err;
}

static void local_free(struct provisioner *p)
{
    struct children *c = children_of(p);

    children_deinit(c);
    mem_free(c);
}

static const struct provisioner_ops local_ops = {
    .start = local_start,
    .stop = children_stop,
    .each = children_each,
    .free = local_free,
};

/* This process's own program, which also stays the same when the file is replaced meanwhile. */
static int own_program(char **out, struct diag *d)
{
    if (access("/proc/self/exe", X_OK) != 0)
        return process_find("gale", out, d);
    *out = mem_strdup("/proc/self/exe");
    return 0;
}

int provision_local_new(const struct provisioner_config *config, struct provisioner **out,
                        struct diag *d)
{
    struct children *c;
    char *program;
    int err =
        config->program ? process_find(config->program, &program, d) : own_program(&program, d);

    if (err)
        return err;
    c = mem_alloc(sizeof *c);
    children_init(c, "local", &local_ops, config, program);
    *out = &c->provisioner;
    return 0;
}

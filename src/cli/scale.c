#include "cli/scale.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "cli/agent_users.h"
#include "cli/args.h"
#include "fleet/agent.h"
#include "fleet/controller.h"
#include "fleet/provisioner.h"
#include "loop/loop.h"

#define LOOK_NSEC (2 * NSEC_PER_SEC)

struct scale {
    struct scale_config config;
    struct provisioner *provisioner;
    struct map wanted; /* number by region, as (void *)(uintptr_t), plus 1 */
    struct timer look;
};

static bool is_busy(const struct scale *s, const char *id)
{
    struct agent_view *agents;
    size_t count = controller_agents(s->config.controller, &agents);
    bool busy = false;

    for (size_t i = 0; i < count; i++)
        busy |= strcmp(agents[i].id, id) == 0 && agents[i].run;
    mem_free(agents);
    return busy;
}

struct region_count {
    const struct scale *scale;
    const char *region;
    size_t count;
    char *idle; /* one that may be stopped; owned */
};

static void count_agent(void *arg, const struct provisioned_agent *agent)
{
    struct region_count *c = arg;

    if (agent->is_stopping || strcmp(agent->region, c->region) != 0)
        return;
    c->count++;
    if (!c->idle && !is_busy(c->scale, agent->id))
        c->idle = mem_strdup(agent->id);
}

/* One step towards what is wanted. */
static int adjust(struct scale *s, const char *region, size_t wanted, struct diag *d)
{
    struct region_count c = {.scale = s, .region = region};
    int err = 0;

    provisioner_each(s->provisioner, count_agent, &c);
    if (c.count < wanted)
        err = provisioner_start(s->provisioner, region, NULL, wanted - c.count, d);
    else if (c.count > wanted && c.idle)
        err = provisioner_stop(s->provisioner, c.idle, d);
    mem_free(c.idle);
    return err;
}

static void look(struct timer *timer)
{
    struct scale *s = CONTAINER_OF(timer, struct scale, look);

    timer_start(s->config.loop, timer, clock_now() + LOOK_NSEC);
    for (struct map_entry *e = map_first(&s->wanted); e; e = map_next(&s->wanted, e)) {
        struct diag d = DIAG_INIT;

        if (adjust(s, e->key.ptr, (size_t)(uintptr_t)e->value - 1, &d))
            log_printf(LOG_ERROR, "region %s: %s", e->key.ptr, d.message);
        diag_deinit(&d);
    }
}

static void on_end(void *arg, const struct provisioned_agent *agent, const char *how)
{
    const struct scale *s = arg;

    if (s->config.users)
        agent_users_remove(s->config.users, agent->id);
    log_printf(agent->is_stopping ? LOG_INFO : LOG_WARN, "agent %s (%s) has ended: %s", agent->id,
               agent->place, how);
}

int scale_set(void *scale, const char *region, unsigned agents, struct diag *d)
{
    struct scale *s = scale;

    if (!agent_name_is_valid(region))
        return diag_set(d, ERR_INVALID, "'%s' is no name of a region", region);
    if (agents > PROVISION_MAX_AGENTS)
        return diag_set(d, ERR_LIMIT, "at most %d agents", PROVISION_MAX_AGENTS);
    map_set(&s->wanted, str_of(region), (void *)((uintptr_t)agents + 1));
    return adjust(s, region, agents, d);
}

/* --- starting ------------------------------------------------------------------------------- */

static void put(struct buf *out, const char *name, const char *value)
{
    if (value)
        buf_printf(out, "%s=%s\n", name, value);
}

/* What an agent needs for NATS and stands on no command line: a user of its own, or the one that
 * the operator gave to the controller. */
static char *environment(void *arg, const char *id)
{
    const struct scale *s = arg;
    struct buf out = BUF_INIT(SIZE_MAX);
    struct diag d = DIAG_INIT;
    const char *password;

    if (s->config.users) {
        password = agent_users_add(s->config.users, id, &d);
        if (!password)
            log_printf(LOG_ERROR, "agent %s can't enlist: %s", id, d.message);
        put(&out, "GALE_NATS_USER", id);
        put(&out, "GALE_NATS_PASSWORD", password);
    } else {
        put(&out, "GALE_NATS_USER", args_text(s->config.args, FLAG_NATS_USER, NULL));
        put(&out, "GALE_NATS_PASSWORD", args_text(s->config.args, FLAG_NATS_PASSWORD, NULL));
    }
    diag_deinit(&d);
    return buf_take(&out);
}

/* Files are those of this machine: agents elsewhere name theirs in the hosts file. */
static int new_local(struct scale *s, struct provisioner_config *config, struct diag *d)
{
    static const enum flag_id files[] = {FLAG_NATS_CREDENTIALS, FLAG_NATS_CA, FLAG_NATS_CERT,
                                         FLAG_NATS_KEY};
    const char *flags[2 * COUNT_OF(files) + 1] = {NULL};
    char *names[COUNT_OF(files)] = {NULL};
    size_t count = 0;
    int err;

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        const char *file = args_text(s->config.args, files[i], NULL);

        if (!file)
            continue;
        names[i] = mem_printf("--%s", flag_table[files[i]].name);
        flags[count++] = names[i];
        flags[count++] = file;
    }
    config->flags = flags;
    err = provision_local_new(config, &s->provisioner, d);
    for (size_t i = 0; i < COUNT_OF(files); i++)
        mem_free(names[i]);
    return err;
}

static int new_ssh(struct scale *s, const struct provisioner_config *config, const char *hosts,
                   struct diag *d)
{
    struct provision_ssh_config ssh = {.common = *config, .hosts = hosts};

    if (!args_is_set(s->config.args, FLAG_NATS) && !args_is_set(s->config.args, FLAG_AGENT_NATS))
        return diag_set(d, ERR_INVALID,
                        "agents on other hosts need an address of NATS that they can reach: give "
                        "it with --agent-nats, as in nats://controller.example:4222");
    return provision_ssh_new(&ssh, &s->provisioner, d);
}

static int new_provisioner(struct scale *s, struct diag *d)
{
    const char *how = args_text(s->config.args, FLAG_PROVISION, "");
    struct provisioner_config config = {
        .loop = s->config.loop,
        .nats = args_text(s->config.args, FLAG_AGENT_NATS, s->config.nats),
        .environment = environment,
        .on_end = on_end,
        .arg = s,
    };

    /* The certificate of its own nats-server names no loopback address. */
    if (args_is_set(s->config.args, FLAG_TLS_CERT) && !args_is_set(s->config.args, FLAG_NATS) &&
        !args_is_set(s->config.args, FLAG_AGENT_NATS))
        return diag_set(d, ERR_INVALID,
                        "with --tls-cert agents need NATS by a name that is in the certificate: "
                        "give it with --agent-nats, as in tls://controller.example:4222");
    if (strcmp(how, "local") == 0)
        return new_local(s, &config, d);
    if (strncmp(how, "ssh=", 4) == 0)
        return new_ssh(s, &config, how + 4, d);
    return diag_set(d, ERR_INVALID, "'%s' is none: use local or ssh=FILE", how);
}

int scale_new(const struct scale_config *config, struct scale **out, struct diag *d)
{
    struct scale *s = mem_zalloc(sizeof *s);
    int err;

    s->config = *config;
    map_init(&s->wanted);
    err = new_provisioner(s, d);
    if (err) {
        diag_prefix(d, "flag --provision");
        mem_free(s);
        return err;
    }
    timer_init(&s->look, look);
    timer_start(config->loop, &s->look, clock_now() + LOOK_NSEC);
    *out = s;
    return 0;
}

void scale_free(struct scale *s)
{
    if (!s)
        return;
    timer_stop(s->config.loop, &s->look);
    provisioner_free(s->provisioner);
    map_deinit(&s->wanted);
    mem_free(s);
}

int scale_wanted(void *scale, const char *region)
{
    const struct scale *s = scale;

    return (int)(uintptr_t)map_get(&s->wanted, str_of(region)) - 1;
}

const char *scale_name(const struct scale *s)
{
    return s->provisioner->name;
}

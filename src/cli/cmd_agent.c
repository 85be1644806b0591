/* gale agent: one load generator of a fleet, until a signal ends it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/agent_outputs.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/fleet_host.h"
#include "cli/load.h"
#include "cli/network.h"
#include "cli/service.h"
#include "engine/run.h"
#include "fleet/agent.h"
#include "loop/loop.h"
#include "loop/offload.h"
#include "script/secrets/secrets.h"

struct agent_command {
    struct service service;
    struct agent *agent;
    struct agent_outputs outputs;
    struct map labels;
    struct operator_network network;
    struct fleet_operator operator;
    char *id;
};

/* "HOST-PID": unique on a network, and people see where it is. */
static char *default_id(void)
{
    char host[40] = "agent";

    gethostname(host, sizeof host - 1);
    for (char *c = host; *c; c++) {
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
            *c = '-';
    }
    return mem_printf("%s-%d", host, (int)getpid());
}

static int read_labels(const struct args *args, struct map *out, struct diag *d)
{
    for (size_t i = 0; i < args->value_count[FLAG_LABEL]; i++) {
        struct str value = str_of(args->values[FLAG_LABEL][i]);
        struct str name = str_cut(&value, '=');

        if (name.len == 0 || !value.ptr)
            return diag_set(d, ERR_INVALID, "flag --label: '%s' must be NAME=VALUE",
                            args->values[FLAG_LABEL][i]);
        mem_free(map_set(out, name, str_dup(value)));
    }
    if (out->count > AGENT_MAX_LABELS)
        return diag_set(d, ERR_LIMIT, "flag --label: at most %d labels, there are %zu",
                        AGENT_MAX_LABELS, out->count);
    return 0;
}

/* What was measured, narrowed by flags, and by the policy in any case. */
static int read_capacity(const struct args *args, const struct policy_limits *limits,
                         struct agent_capacity *out, struct diag *d)
{
    const char *vus = args_text(args, FLAG_MAX_VUS, NULL);
    const char *rate = args_text(args, FLAG_MAX_RATE, NULL);

    agent_measure(out);
    if (vus && (!str_to_u64(str_of(vus), &out->max_vus) || out->max_vus == 0))
        return diag_set(d, ERR_INVALID, "flag --max-vus: '%s' is no number of VUs", vus);
    if (rate && (!str_to_double(str_of(rate), &out->max_rate) || !(out->max_rate > 0)))
        return diag_set(d, ERR_INVALID, "flag --max-rate: '%s' is no number", rate);
    if (limits->max_vus && limits->max_vus < out->max_vus)
        out->max_vus = limits->max_vus;
    if (limits->max_rate > 0 && limits->max_rate < out->max_rate)
        out->max_rate = limits->max_rate;
    return 0;
}

/* What a run would stumble over is said before the agent enlists. */
static int check_secrets(const struct args *args, struct diag *d)
{
    struct secrets *secrets = NULL;
    int err = load_secrets(args, &secrets, d);

    secrets_free(secrets);
    return err;
}

static void stopped(void *arg)
{
    struct agent_command *c = arg;

    loop_stop(c->service.loop);
}

static void on_stop(struct service *service)
{
    struct agent_command *c = CONTAINER_OF(service, struct agent_command, service);

    agent_stop(c->agent, stopped, c);
}

static int start(struct agent_command *c, const struct args *args, struct diag *d)
{
    const char *id = args_text(args, FLAG_ID, NULL);
    struct agent_config config = {
        .region = args_text(args, FLAG_REGION, NULL),
        .zone = args_text(args, FLAG_ZONE, ""),
        .labels = &c->labels,
        .folder = args_text(args, FLAG_DATA, getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp"),
        .host = fleet_host(&c->operator),
        .loop = c->service.loop,
    };
    int err;

    if (!config.region)
        return diag_set(d, ERR_INVALID,
                        "flag --region is needed: where this agent is, as in "
                        "--region us-east-1");
    c->id = id ? mem_strdup(id) : default_id();
    config.id = c->id;
    service_bus(args, &config.bus);
    err = network_read(args, true, &c->network, d);
    config.emulated = c->network.distance[0] ? c->network.distance : NULL;
    if (err == 0)
        err = read_labels(args, &c->labels, d);
    if (err == 0)
        err = read_capacity(args, &c->network.limits, &config.capacity, d);
    if (err == 0)
        err = check_secrets(args, d);
    if (err == 0)
        err = agent_outputs_open(&c->outputs, args, &config, d);
    if (err == 0)
        err = agent_start(&config, &c->agent, d);
    if (err == 0)
        log_printf(LOG_INFO,
                   "agent %s of region %s: %u cores, at most %llu VUs and %.0f iterations a second",
                   config.id, config.region, config.capacity.cores,
                   (unsigned long long)config.capacity.max_vus, config.capacity.max_rate);
    return err;
}

int cmd_agent(const struct args *args)
{
    struct agent_command c = {.service = {.on_stop = on_stop}};
    struct diag d = DIAG_INIT;
    int code = service_open(&c.service, args);

    if (code)
        return code;
    c.operator=(struct fleet_operator){&c.network, args};
    map_init(&c.labels);
    if (start(&c, args, &d))
        code = load_fail(EXIT_CODE_CONFIG, &d);
    else
        service_run(&c.service);
    agent_free(c.agent);
    agent_outputs_close(&c.outputs);
    network_deinit(&c.network);
    map_deinit_with(&c.labels, mem_free);
    mem_free(c.id);
    service_close(&c.service);
    offload_shutdown();
    return code;
}

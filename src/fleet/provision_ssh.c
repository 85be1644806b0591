/* Agents on other hosts, by ssh. A connection each, which carries the agent's log, and whose end is
 * the agent's: when it is told to stop, when this process dies, when the network does.
 *
 * A signal does not go over ssh without a terminal, so the end of the standard input is the sign: a
 * small script on the host waits for it beside the agent. Before that it reads the agent's secret
 * environment from there, which thus is on no command line. */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/process.h"
#include "fleet/provision_children.h"
#include "fleet/provision_hosts.h"

/* Lines NAME=VALUE up to an empty one; then the agent, given as the script's arguments. The watcher
 * has none of our output open, else ssh would wait for it. */
static const char remote_script[] =
    "while IFS= read -r line && [ -n \"$line\" ]; do export \"$line\"; done; "
    "exec 3<&0; \"$@\" </dev/null 3<&- & agent=$!; "
    "(cat <&3; kill $agent) >/dev/null 2>&1 & watcher=$!; "
    "exec 3<&-; wait $agent; code=$?; kill $watcher 2>/dev/null; exit $code";

struct provision_ssh {
    struct children children;
    struct provision_hosts hosts;
    char *remote; /* owned: gale on the hosts */
    char *config; /* owned: ssh's -F; NULL: none */
};

static struct provision_ssh *ssh_of(struct provisioner *p)
{
    return CONTAINER_OF(CONTAINER_OF(p, struct children, provisioner), struct provision_ssh,
                        children);
}

/* ssh joins its arguments with spaces and gives them to the user's shell. */
static void quote(struct buf *out, const char *text)
{
    buf_append_c(out, out->len ? " '" : "'");
    for (; *text; text++) {
        if (*text == '\'')
            buf_append_c(out, "'\\''");
        else
            buf_append_char(out, *text);
    }
    buf_append_char(out, '\'');
}

static char *remote_command(const struct provision_ssh *s, const struct provision_host *host,
                            const char *id, const char *zone)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    struct arg_list args = {NULL, 0};

    arg_list_add(&args, "sh");
    arg_list_add(&args, "-c");
    arg_list_add(&args, remote_script);
    arg_list_add(&args, "gale-agent");
    arg_list_add(&args, s->remote);
    arg_list_add_agent(&args, &s->children, id, host->region, zone);
    for (size_t i = 0; i < host->flag_count; i++)
        arg_list_add(&args, host->flags[i]);
    for (size_t i = 0; i < args.count; i++)
        quote(&text, args.args[i]);
    arg_list_deinit(&args);
    return buf_take(&text);
}

static void ssh_args(struct arg_list *argv, const struct provision_ssh *s, const char *host,
                     const char *command)
{
    /* A connection of its own, which notices within 15 s that the other end is gone. */
    static const char *const fixed[] = {
        "-T",
        "-o",
        "BatchMode=yes",
        "-o",
        "ConnectTimeout=10",
        "-o",
        "ServerAliveInterval=5",
        "-o",
        "ServerAliveCountMax=3",
        "-o",
        "ControlMaster=no",
        "-o",
        "ControlPath=none",
        "-o",
        "PermitLocalCommand=no",
        "-o",
        "ClearAllForwardings=yes",
        "-o",
        "ForwardAgent=no",
        "-o",
        "LogLevel=ERROR",
    };

    arg_list_add(argv, s->children.program);
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        arg_list_add(argv, fixed[i]);
    if (s->config) {
        arg_list_add(argv, "-F");
        arg_list_add(argv, s->config);
    }
    arg_list_add(argv, "--");
    arg_list_add(argv, host);
    arg_list_add(argv, command);
}

static bool fits(const struct provision_host *h, const char *region, const char *zone)
{
    return strcmp(h->region, region) == 0 && (!zone || !zone[0] || strcmp(h->zone, zone) == 0);
}

/* The host of that region, and zone if one is named, with the fewest agents. */
static const struct provision_host *find_host(const struct provision_ssh *s, const char *region,
                                              const char *zone)
{
    const struct provision_host *best = NULL;
    size_t least = 0;

    for (size_t i = 0; i < s->hosts.count; i++) {
        const struct provision_host *h = &s->hosts.list[i];
        size_t count;

        if (!fits(h, region, zone))
            continue;
        count = children_at(&s->children, h->host);
        if (best && count >= least)
            continue;
        best = h;
        least = count;
    }
    return best;
}

static int start_one(struct provision_ssh *s, const char *region, const char *zone, struct diag *d)
{
    const struct provision_host *host = find_host(s, region, zone);
    const struct provisioner_config *config = &s->children.config;
    struct arg_list argv = {NULL, 0};
    char *id;
    char *secret;
    char *input;
    char *command;
    int err;

    if (!host)
        return diag_set(d, ERR_NOT_FOUND, "the hosts file has no host for region %s%s%s", region,
                        zone && zone[0] ? ", zone " : "", zone && zone[0] ? zone : "");
    id = children_new_id(region);
    secret = config->environment ? config->environment(config->arg, id) : NULL;
    input = mem_printf("%s\n\n", secret ? secret : "");
    command = remote_command(s, host, id, host->zone);
    ssh_args(&argv, s, host->host, command);
    err = children_start(&s->children,
                         &(struct child_start){.id = id,
                                               .region = region,
                                               .zone = host->zone,
                                               .place = host->host,
                                               .argv = (const char *const *)argv.args,
                                               .input = input},
                         d);
    arg_list_deinit(&argv);
    mem_free(command);
    mem_free(input);
    mem_free(secret);
    mem_free(id);
    return err;
}

static int ssh_start(struct provisioner *p, const char *region, const char *zone, size_t count,
                     struct diag *d)
{
    struct provision_ssh *s = ssh_of(p);
    int err = children_check(&s->children, region, zone, count, d);

    for (size_t i = 0; i < count && err == 0; i++)
        err = start_one(s, region, zone, d);
    return err;
}

static void ssh_free(struct provisioner *p)
{
    struct provision_ssh *s = ssh_of(p);

    children_deinit(&s->children);
    provision_hosts_deinit(&s->hosts);
    mem_free(s->remote);
    mem_free(s->config);
    mem_free(s);
}

static const struct provisioner_ops ssh_ops = {
    .start = ssh_start,
    .stop = children_stop,
    .each = children_each,
    .free = ssh_free,
};

/* Names of the file are checked as those of a request, once and with their place. */
static int check_names(const struct provision_ssh *s, struct diag *d)
{
    for (size_t i = 0; i < s->hosts.count; i++) {
        const struct provision_host *h = &s->hosts.list[i];
        int err = children_check(&s->children, h->region, h->zone, 0, d);

        if (err)
            return err;
    }
    return 0;
}

int provision_ssh_new(const struct provision_ssh_config *config, struct provisioner **out,
                      struct diag *d)
{
    struct provision_ssh *s;
    struct provision_hosts hosts;
    char *program;
    int err = process_find(config->ssh ? config->ssh : "ssh", &program, d);

    if (err)
        return err;
    err = provision_hosts_read(config->hosts, &hosts, d);
    if (err) {
        mem_free(program);
        return err;
    }
    s = mem_zalloc(sizeof *s);
    children_init(&s->children, "ssh", &ssh_ops, &config->common, program);
    s->hosts = hosts;
    s->remote = mem_strdup(config->common.program ? config->common.program : "gale");
    s->config = mem_strdup(config->ssh_config);
    err = check_names(s, d);
    if (err) {
        diag_prefix(d, "hosts file %s", config->hosts);
        ssh_free(&s->children.provisioner);
        return err;
    }
    *out = &s->children.provisioner;
    return 0;
}

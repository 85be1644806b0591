/* gale controller: the fleet's head, until a signal ends it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/fleet_api.h"
#include "api/fleet_keeper.h"
#include "api/retention.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/agent_users.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/fleet_host.h"
#include "cli/load.h"
#include "cli/network.h"
#include "cli/pem_file.h"
#include "cli/scale.h"
#include "cli/service.h"
#include "engine/options_read.h"
#include "engine/run.h"
#include "engine/saturation.h"
#include "fleet/controller.h"
#include "fleet/nats_server.h"
#include "loop/offload.h"
#include "store/store.h"

/* Each second's histograms come and go: what they leave is kept for the next (measured: a third of
 * the time). */
enum { KEPT_BYTES = 64 * 1024 * 1024 };

struct controller_command {
    struct service service;
    const struct args *args;
    struct nats_server *nats; /* NULL: somebody else's */
    struct controller *controller;
    struct fleet_keeper *keeper;
    struct retention_config retain;
    struct retention *retention;
    struct fleet_api *api;
    char *name;
    char *url;
    char *cert_pem; /* NULL: without TLS */
    char *key_pem;
    char *cert_file; /* their paths; malloc */
    char *key_file;
    const char *nats_url;      /* the server's or the flags' */
    struct agent_users *users; /* NULL: whoever reaches it */
    struct scale *scale;       /* NULL: it starts no agents */
    struct operator_network network;
};

static void on_stop(struct service *service)
{
    loop_stop(service->loop);
}

static void on_nats_exit(void *arg, const char *why)
{
    (void)arg;
    log_printf(LOG_WARN, "nats-server has ended (%s): starting it again", why);
}

/* "host:port" */
static int split_address(const char *flag, const char *address, char **host, int *port,
                         struct diag *d)
{
    struct str all = str_of(address);
    ptrdiff_t colon = str_rfind(all, ':');
    uint64_t number;

    if (colon < 0 || !str_to_u64(str_from_index(all, (size_t)colon + 1), &number) || number > 65535)
        return diag_set(d, ERR_INVALID, "flag %s: '%s' must be host:port, as in 127.0.0.1:4222",
                        flag, address);
    *host = str_dup(str_slice(all, 0, (size_t)colon));
    *port = (int)number;
    return 0;
}

static int read_users(struct controller_command *c, struct nats_server_config *config,
                      struct bus_config *bus, struct diag *d)
{
    const char *path = args_text(c->args, FLAG_AGENT_USERS, NULL);
    int err = path ? agent_users_new(path, &c->users, d) : 0;

    if (err || !path)
        return err;
    config->users = agent_users_list(c->users, &config->user_count);
    bus->user = config->users[0].name;
    bus->password = config->users[0].password;
    return 0;
}

/* Its own nats-server speaks TLS when API and dashboard do, with the same certificate. */
static void nats_tls(const struct controller_command *c, struct nats_server_config *config,
                     struct bus_config *bus)
{
    if (!c->cert_pem)
        return;
    config->cert_file = c->cert_file;
    config->key_file = c->key_file;
    bus->is_own = true;
    bus->ca_file = NULL;
    bus->cert_file = NULL;
}

/* Who reaches an open one may enlist, and see what agents are given. */
static void warn_of_open_nats(const struct controller_command *c, const char *address)
{
    if (!service_is_loopback(address) && !c->users)
        log_printf(
            LOG_WARN,
            "whoever reaches NATS at %s may enlist agents and read tests: --agent-users FILE "
            "asks agents for passwords",
            address);
}

static int start_nats(struct controller_command *c, struct bus_config *bus, struct diag *d)
{
    const char *address = args_text(c->args, FLAG_NATS_LISTEN, "127.0.0.1:4222");
    struct nats_server_config config = {
        .data = args_text(c->args, FLAG_DATA, "gale-data"),
        .loop = c->service.loop,
        .on_exit = on_nats_exit,
        .arg = c,
    };
    char *host = NULL;
    int err = split_address("--nats-listen", address, &host, &config.port, d);

    config.host = host;
    nats_tls(c, &config, bus);
    if (err == 0)
        err = read_users(c, &config, bus, d);
    if (err == 0)
        err = nats_server_start(&config, &c->nats, d);
    if (err == 0) {
        bus->url = nats_server_url(c->nats);
        log_printf(LOG_INFO, "nats-server listens on %s", bus->url);
        warn_of_open_nats(c, address);
        if (c->users)
            agent_users_serve(c->users, c->nats, c->service.loop);
    }
    mem_free(host);
    return err;
}

static int read_timeout(const struct args *args, int64_t *out, struct diag *d)
{
    const char *text = args_text(args, FLAG_AGENT_TIMEOUT, "3s");

    if (duration_parse(str_of(text), out) || *out <= 0)
        return diag_set(d, ERR_INVALID, "flag --agent-timeout: '%s' is no duration such as 3s",
                        text);
    return 0;
}

static int read_retention(struct controller_command *c, struct diag *d)
{
    const char *age = args_text(c->args, FLAG_RETAIN, NULL);
    const char *size = args_text(c->args, FLAG_RETAIN_SIZE, NULL);

    if (age &&
        (duration_parse(str_of(age), &c->retain.max_age_nsec) || c->retain.max_age_nsec <= 0))
        return diag_set(d, ERR_INVALID, "flag --retain: '%s' is no duration such as 30d", age);
    if (size &&
        (!option_parse_size(str_of(size), &c->retain.max_bytes) || c->retain.max_bytes <= 0))
        return diag_set(d, ERR_INVALID, "flag --retain-size: '%s' is no size such as 10GB", size);
    return 0;
}

static void start_retention(struct controller_command *c)
{
    c->retain.keeper = fleet_keeper_store(c->keeper);
    c->retain.loop = c->service.loop;
    c->retention = retention_start(&c->retain);
}

static const char *listen_address(const struct controller_command *c)
{
    return args_text(c->args, FLAG_LISTEN, "127.0.0.1:6580");
}

static int read_tls(struct controller_command *c, struct diag *d)
{
    const char *cert = args_text(c->args, FLAG_TLS_CERT, NULL);
    const char *key = args_text(c->args, FLAG_TLS_KEY, NULL);
    int err = 0;

    if (!cert != !key)
        return diag_set(d, ERR_INVALID, "flags --tls-cert and --tls-key go together");
    if (cert)
        err = pem_file_read("--tls-cert", cert, &c->cert_pem, d);
    if (err == 0 && key)
        err = pem_file_read("--tls-key", key, &c->key_pem, d);
    if (err == 0 && cert) {
        c->cert_file = realpath(cert, NULL);
        c->key_file = realpath(key, NULL);
    }
    return err;
}

/* By the standard output alone: logs are kept, and sent elsewhere. */
static void say_first_token(const struct controller_command *c)
{
    const char *token = fleet_api_first_token(c->api);

    if (!token[0])
        return;
    printf("The first token, an admin's, shown only this once: %s\n", token);
    fflush(stdout);
}

static int start_api(struct controller_command *c, struct diag *d)
{
    const char *token = args_text(c->args, FLAG_TOKEN, NULL);
    struct fleet_api_config config = {
        .controller = c->controller,
        .keeper = fleet_keeper_store(c->keeper),
        .loop = c->service.loop,
        .address = listen_address(c),
        .token = token,
        .is_open =
            !token && !args_bool(c->args, FLAG_AUTH) && service_is_loopback(listen_address(c)),
        .cert_pem = c->cert_pem,
        .key_pem = c->key_pem,
        .started_wall = clock_wall(),
        .retain_nsec = c->retain.max_age_nsec,
        .retain_bytes = c->retain.max_bytes,
    };
    int err = 0;

    if (args_is_set(c->args, FLAG_PROVISION))
        err = scale_new(
            &(struct scale_config){c->args, c->nats_url, c->users, c->controller, c->service.loop},
            &c->scale, d);
    if (c->scale) {
        config.scale = scale_set;
        config.wanted = scale_wanted;
        config.provisioner = scale_name(c->scale);
        config.arg = c->scale;
    }
    if (err == 0)
        err = fleet_api_start(&config, &c->api, d);
    if (err)
        return err;
    say_first_token(c);
    log_printf(LOG_INFO, "API and dashboard on %s://%.*s:%d%s", c->cert_pem ? "https" : "http",
               (int)(strrchr(config.address, ':') - config.address), config.address,
               fleet_api_port(c->api), config.is_open ? "" : " (who asks must show a token)");
    return 0;
}

static int open_store(struct controller_command *c, struct diag *d)
{
    const char *data = args_text(c->args, FLAG_DATA, "gale-data");
    char *path = mem_printf("%s/gale.db", data);
    int err;

    if (mkdir(data, 0700) != 0 && errno != EEXIST)
        err = diag_set(d, -errno, "flag --data: %s can't be made: %s", data, strerror(errno));
    else
        err = fleet_keeper_open(path, c->controller, &c->keeper, d);
    mem_free(path);
    return err;
}

static int start(struct controller_command *c, struct diag *d)
{
    const char *id = args_text(c->args, FLAG_ID, NULL);
    struct controller_config config = {
        .preparer = fleet_preparer(),
        .loop = c->service.loop,
        .network = &c->network.network,
    };
    int err = read_timeout(c->args, &config.agent_timeout_nsec, d);

    if (err == 0)
        err = network_read(c->args, true, &c->network, d);
    c->name = id ? mem_strdup(id) : mem_printf("controller-%d", (int)getpid());
    c->url = mem_printf("%s://%s", args_is_set(c->args, FLAG_TLS_CERT) ? "https" : "http",
                        listen_address(c));
    config.name = c->name;
    config.url = c->url;
    service_bus(c->args, &config.bus);
    if (err == 0)
        err = read_retention(c, d);
    if (err == 0)
        err = read_tls(c, d);
    if (err == 0 && !args_is_set(c->args, FLAG_NATS))
        err = start_nats(c, &config.bus, d);
    config.bus.name = c->name;
    c->nats_url = config.bus.url;
    config.server = c->nats;
    if (err == 0)
        err = controller_start(&config, &c->controller, d);
    if (err == 0)
        err = open_store(c, d);
    if (err == 0)
        start_retention(c);
    return err ? err : start_api(c, d);
}

/* `gale controller backup FILE`: the store as it is now, while its controller runs or not. */
static int back_up(const struct args *args)
{
    const char *file = args->positional_count == 2 ? args->positional[1] : NULL;
    char *path = mem_printf("%s/gale.db", args_text(args, FLAG_DATA, "gale-data"));
    const struct store_options options = {.read_only = true};
    struct store *s = NULL;
    struct diag d = DIAG_INIT;
    int err = 0;

    if (!file || strcmp(args->positional[0], "backup") != 0)
        err = diag_set(&d, ERR_INVALID, "use it as: gale controller backup FILE [--data FOLDER]");
    if (err == 0)
        err = store_open(path, &options, &s, &d);
    if (err == 0)
        err = store_backup(s, file, &d);
    store_close(s);
    mem_free(path);
    if (err)
        return load_fail(EXIT_CODE_OTHER, &d);
    diag_deinit(&d);
    return 0;
}

int cmd_controller(const struct args *args)
{
    struct controller_command c = {.service = {.on_stop = on_stop}, .args = args};
    struct diag d = DIAG_INIT;
    int code;

    if (args->positional_count > 0)
        return back_up(args);
    code = service_open(&c.service, args);
    if (code)
        return code;
    mem_keep_freed(KEPT_BYTES);
    probe_raise_descriptors(); /* streams and agents' sockets */
    if (start(&c, &d))
        code = load_fail(EXIT_CODE_CONFIG, &d);
    else
        service_run(&c.service);
    fleet_api_stop(c.api);
    scale_free(c.scale);
    retention_stop(c.retention);
    fleet_keeper_close(c.keeper);
    retention_free(c.retention);
    fleet_api_free(c.api);
    controller_free(c.controller);
    nats_server_stop(c.nats);
    agent_users_free(c.users);
    mem_free(c.cert_pem);
    mem_free(c.key_pem);
    free(c.cert_file);
    free(c.key_file);
    network_deinit(&c.network);
    mem_free(c.name);
    mem_free(c.url);
    service_close(&c.service);
    offload_shutdown();
    return code;
}

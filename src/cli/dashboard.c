#include "cli/dashboard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/fleet_api.h"
#include "api/living.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/dashboard_settings.h"
#include "cli/local_run.h"
#include "cli/service.h"
#include "cli/session.h"

/* For a browser that has something else to do; who reads more slowly loses the end. */
#define PATIENCE (5 * NSEC_PER_SEC)

#ifdef __APPLE__
#define OPENER "open"
#else
#define OPENER "xdg-open"
#endif

struct dashboard {
    struct session *session;
    struct living runs;
    struct fleet_api *api;
    char *url;
    pid_t browser; /* 0: none */
};

/* --- the run, as the API asks for it -------------------------------------------------------- */

static json_t *ids(void *arg)
{
    return json_pack("[s]", local_run_id(arg));
}

static bool has(void *arg, const char *run)
{
    return strcmp(run, local_run_id(arg)) == 0;
}

static json_t *view(void *arg, const char *run)
{
    return has(arg, run) ? local_run_view(arg) : NULL;
}

static json_t *snapshot(void *arg, const char *run)
{
    (void)run;
    return local_run_snapshot(arg);
}

static void stop(void *arg, const char *run, const char *by, const char *reason)
{
    static const char otherwise[] = "stopped from the dashboard";

    (void)run;
    (void)by;
    if (!reason)
        reason = otherwise;
    if (local_run_stop(arg, reason))
        log_printf(LOG_WARN, "stopping the test from its dashboard: %s", reason);
}

/* Its end is said by dashboard_end. */
static void on_event(void *arg, const char *event, const json_t *data)
{
    const struct dashboard *db = arg;

    if (strcmp(event, "end") != 0)
        fleet_api_tell(db->api, event, json_incref((json_t *)(uintptr_t)data));
}

/* --- the browser ---------------------------------------------------------------------------- */

/* In a group of its own: Ctrl-C is the run's. */
static int spawn(char *const argv[], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;
    int err;

    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    err = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -err;
}

void dashboard_open(struct dashboard *db)
{
    char *argv[] = {(char *)(uintptr_t)OPENER, db->url, NULL};
    int err = spawn(argv, &db->browser);

    if (err == 0)
        return;
    db->browser = 0;
    log_printf(LOG_WARN, "no browser could be opened (" OPENER ": %s): the page is at %s",
               err_text(err), db->url);
}

/* --- life ----------------------------------------------------------------------------------- */

/* Addresses that mean all of a machine's can't be visited. */
static char *url_of(const char *address, int port)
{
    struct str host = str_slice(str_of(address), 0, (size_t)(strrchr(address, ':') - address));
    bool is_any = host.len == 0 || str_eq_c(host, "0.0.0.0") || str_eq_c(host, "[::]");

    if (is_any)
        host = STR("127.0.0.1");
    return mem_printf("http://%.*s:%d", STR_ARG(host), port);
}

int dashboard_start(struct session *s, const struct dashboard_settings *settings,
                    struct dashboard **out, struct diag *d)
{
    struct dashboard *db = mem_zalloc(sizeof *db);
    struct fleet_api_config config = {
        .local = &db->runs,
        .local_id = local_run_id(s->local),
        .keeper = local_run_keeper(s->local),
        .loop = s->loop,
        .address = settings->address,
        .is_open = true,
        .is_shared = !service_is_loopback(settings->address),
        .started_wall = clock_wall(),
    };
    int err;

    db->session = s;
    db->runs = (struct living){
        .ids = ids, .has = has, .view = view, .snapshot = snapshot, .stop = stop, .arg = s->local};
    err = fleet_api_start(&config, &db->api, d);
    if (err) {
        mem_free(db);
        return err;
    }
    db->url = url_of(settings->address, fleet_api_port(db->api));
    local_run_watch(s->local, on_event, db);
    if (config.is_shared)
        log_printf(LOG_WARN,
                   "the dashboard listens on %s: whoever reaches it sees this run, and no token is "
                   "asked for",
                   settings->address);
    *out = db;
    return 0;
}

const char *dashboard_url(const struct dashboard *db)
{
    return db->url;
}

void dashboard_end(struct dashboard *db)
{
    struct local_run *run = db->session->local;
    struct diag d = DIAG_INIT;
    json_t *all = NULL;

    if (!fleet_api_is_followed(db->api))
        return;
    if (!db->session->linger && local_run_export(run, &all, &d)) {
        diag_prefix(&d, "the dashboard shows no tables of the whole run");
        log_printf(LOG_WARN, "%s", d.message);
    }
    diag_deinit(&d);
    fleet_api_end(db->api, all, local_run_view(run));
}

void dashboard_stop(struct dashboard *db)
{
    if (!db)
        return;
    if (db->session->local && local_run_is_over(db->session->local))
        fleet_api_drain(db->api, PATIENCE);
    fleet_api_stop(db->api);
    if (db->browser)
        waitpid(db->browser, NULL, WNOHANG);
}

void dashboard_free(struct dashboard *db)
{
    if (!db)
        return;
    fleet_api_free(db->api);
    mem_free(db->url);
    mem_free(db);
}

/* Provisioners with a stand-in for `gale agent`, a shell script that notes how it was called; ssh
 * with a real sshd on loopback, whose keys are made here and thrown away. */
#include "fleet/provisioner.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/process.h"
#include "fleet/provision_hosts.h"
#include "loop/loop.h"
#include "support/test.h"

/* Writes what it got to files beside itself; ends at SIGTERM with 7, or as `mode` says. */
static const char agent_script[] =
    "#!/bin/sh\n"
    "cd \"${0%/*}\"\n"
    "for a in \"$@\"; do echo \"$a\"; done > args.new; env > env.new; echo $$ > pid.new\n"
    "mv args.new args; mv env.new env; mv pid.new pid\n"
    "trap 'echo \"{\\\"level\\\":\\\"info\\\",\\\"msg\\\":\\\"going\\\"}\"; exit 7' TERM\n"
    "[ \"$(cat mode)\" = deaf ] && trap '' TERM\n"
    "echo '{\"level\":\"error\",\"msg\":\"it is \\\"here\\\"\",\"source\":\"console\"}'\n"
    "echo 'not json' >&2\n"
    "case $(cat mode) in\n"
    "die) printf 'last words'; exit 3 ;;\n"
    "loud) head -c 50000 /dev/zero | tr '\\0' x; echo; echo '{\"msg\":\"after\"}' ;;\n"
    "leaky) sleep 5 & exit 4 ;;\n"
    "esac\n"
    "while :; do sleep 0.02; done\n";

static struct {
    char folder[64];
    struct loop *loop;
    struct timer tick;
    bool (*is_done)(void);
    int64_t give_up;
    struct provisioner_config config;
    struct provisioner *p;
    struct diag d;
    int ended;
    char how[64];
    bool was_stopping;
    char id[128]; /* of an agent that is listed */
    size_t listed;
    struct process sshd;
} t;

static char *path_of(const char *name)
{
    static char paths[8][256];
    static size_t next;
    char *path = paths[next++ % COUNT_OF(paths)];

    snprintf(path, sizeof paths[0], "%s/%s", t.folder, name);
    return path;
}

static void put(const char *name, const char *text, mode_t mode)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, mode);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* The file's text, "" when there is none. */
static const char *get(const char *name)
{
    static char text[256 * 1024];
    int fd = open(path_of(name), O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

static bool has(const char *name, const char *text)
{
    return strstr(get(name), text) != NULL;
}

static void on_end(void *arg, const struct provisioned_agent *agent, const char *how)
{
    CHECK(arg == &t);
    CHECK(strncmp(agent->id, agent->region, strlen(agent->region)) == 0);
    t.was_stopping = agent->is_stopping;
    snprintf(t.how, sizeof t.how, "%s", how);
    t.ended++;
}

static void on_tick(struct timer *timer)
{
    CHECK(clock_now() < t.give_up);
    if (t.is_done())
        loop_stop(t.loop);
    else
        timer_start(t.loop, timer, clock_now() + 5 * NSEC_PER_MSEC);
}

static void wait_for(bool (*is_done)(void))
{
    t.is_done = is_done;
    t.give_up = clock_now() + 9 * NSEC_PER_SEC;
    timer_start(t.loop, &t.tick, clock_now());
    loop_run(t.loop);
}

static void set_up(const char *mode)
{
    static const char *const flags[] = {"--label", "a=b c", NULL};
    struct log_options log = {.level = LOG_DEBUG};
    char *output;

    memcpy(t.folder, "/tmp/gale-provision-XXXXXX", sizeof "/tmp/gale-provision-XXXXXX");
    t.sshd = PROCESS_NONE;
    CHECK(mkdtemp(t.folder));
    put("agent", agent_script, 0755);
    put("mode", mode, 0644);
    output = mem_printf("file=%s", path_of("log"));
    log.output = output;
    CHECK_EQ(log_setup(&log, NULL), 0);
    mem_free(output);
    CHECK_EQ(loop_new(&t.loop), 0);
    timer_init(&t.tick, on_tick);
    t.config = (struct provisioner_config){.loop = t.loop,
                                           .program = mem_strdup(path_of("agent")),
                                           .nats = "nats://127.0.0.1:4222",
                                           .flags = flags,
                                           .on_end = on_end,
                                           .arg = &t};
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static void tear_down(void)
{
    provisioner_free(t.p);
    mem_free(process_stop(&t.sshd, 0));
    loop_free(t.loop);
    log_teardown();
    diag_deinit(&t.d);
    mem_free((char *)(uintptr_t)t.config.program);
    nftw(t.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void note(void *arg, const struct provisioned_agent *agent)
{
    (void)arg;
    snprintf(t.id, sizeof t.id, "%s", agent->id);
    CHECK(agent->place[0]);
    t.listed++;
}

static size_t list(void)
{
    t.listed = 0;
    provisioner_each(t.p, note, NULL);
    return t.listed;
}

static bool is_there(void)
{
    return get("pid")[0] && has("log", "not json");
}

static bool has_ended(void)
{
    return t.ended > 0;
}

static bool is_gone(pid_t pid)
{
    return kill(pid, 0) != 0 && errno == ESRCH;
}

/* --- local -------------------------------------------------------------------------------- */

static char *secret(void *arg, const char *id)
{
    CHECK(arg == &t);
    return mem_printf("GALE_NATS_USER=%s\nGALE_NATS_PASSWORD=pa ss=word", id);
}

TEST(provision_local_starts_and_stops)
{
    char want[512];

    set_up("");
    setenv("GALE_NATS_USER", "somebody", 1);
    t.config.environment = secret;
    CHECK_EQ(provision_local_new(&t.config, &t.p, &t.d), 0);
    CHECK_TEXT(t.p->name, "local");
    CHECK_EQ(list(), 0);
    CHECK_EQ(provisioner_start(t.p, "eu-1", "a", 1, &t.d), 0);
    CHECK_EQ(list(), 1);
    wait_for(is_there);
    snprintf(want, sizeof want,
             "agent\n--id\n%s\n--region\neu-1\n--nats\nnats://127.0.0.1:4222\n--log-format\njson\n"
             "--zone\na\n--label\na=b c\n",
             t.id);
    CHECK_TEXT(get("args"), want);
    snprintf(want, sizeof want, "\nGALE_NATS_USER=%s\n", t.id);
    CHECK(has("env", want) && !has("env", "somebody"));
    CHECK(has("env", "\nGALE_NATS_PASSWORD=pa ss=word\n"));
    CHECK(has("log", "level=error msg=\"it is \\\"here\\\"\" agent=eu-1-"));
    CHECK(has("log", " source=console"));
    CHECK(has("log", "level=warning msg=\"not json\" agent=eu-1-"));
    CHECK_EQ(provisioner_stop(t.p, "eu-1-nobody", &t.d), ERR_NOT_FOUND);
    CHECK_EQ(provisioner_stop(t.p, t.id, NULL), 0);
    CHECK_EQ(provisioner_stop(t.p, t.id, NULL), 0); /* it has been asked */
    CHECK_EQ(list(), 1);
    wait_for(has_ended);
    CHECK_TEXT(t.how, "exit code 7");
    CHECK(t.was_stopping);
    CHECK(has("log", "msg=going agent=eu-1-"));
    CHECK_EQ(list(), 0);
    tear_down();
}

TEST(provision_local_tells_of_an_agent_that_dies)
{
    set_up("die");
    CHECK_EQ(provision_local_new(&t.config, &t.p, &t.d), 0);
    CHECK_EQ(provisioner_start(t.p, "eu-1", NULL, 1, &t.d), 0);
    wait_for(has_ended);
    CHECK_TEXT(t.how, "exit code 3");
    CHECK(!t.was_stopping);
    CHECK(!has("args", "--zone"));
    CHECK(has("log", "msg=\"last words\" agent=eu-1-"));
    CHECK_EQ(t.ended, 1); /* and nobody starts it again */
    CHECK_EQ(list(), 0);
    tear_down();
}

TEST(provision_local_kills_what_does_not_listen)
{
    set_up("deaf");
    t.config.patience = 300 * NSEC_PER_MSEC;
    CHECK_EQ(provision_local_new(&t.config, &t.p, &t.d), 0);
    CHECK_EQ(provisioner_start(t.p, "eu-1", NULL, 1, &t.d), 0);
    wait_for(is_there);
    CHECK_EQ(list(), 1);
    CHECK_EQ(provisioner_stop(t.p, t.id, NULL), 0);
    wait_for(has_ended);
    CHECK_TEXT(t.how, "signal 9, Killed");
    tear_down();
}

/* A child of its own that has the log open is no life. */
TEST(provision_local_sees_an_end_behind_an_open_log)
{
    int64_t began = clock_now();

    set_up("leaky");
    CHECK_EQ(provision_local_new(&t.config, &t.p, &t.d), 0);
    CHECK_EQ(provisioner_start(t.p, "eu-1", NULL, 1, &t.d), 0);
    wait_for(has_ended);
    CHECK_TEXT(t.how, "exit code 4");
    CHECK(clock_now() > began);
    tear_down();
}

static bool says_after(void)
{
    return has("log", "msg=after");
}

TEST(provision_local_cuts_endless_lines)
{
    set_up("loud");
    CHECK_EQ(provision_local_new(&t.config, &t.p, &t.d), 0);
    CHECK_EQ(provisioner_start(t.p, "eu-1", NULL, 1, &t.d), 0);
    wait_for(says_after);
    CHECK(has("log", "xxxxxxxxxxxxxxxx agent=eu-1-"));
    tear_down();
}

TEST(provision_local_ends_all_when_it_is_freed)
{
    pid_t pid;

    set_up("");
    CHECK_EQ(provision_local_new(&t.config, &t.p, &t.d), 0);
    CHECK_EQ(provisioner_start(t.p, "eu-1", NULL, 3, &t.d), 0);
    CHECK_EQ(list(), 3);
    wait_for(is_there);
    pid = (pid_t)strtol(get("pid"), NULL, 10);
    CHECK(!is_gone(pid));
    provisioner_free(t.p);
    t.p = NULL;
    CHECK(is_gone(pid));
    CHECK_EQ(t.ended, 0);
    tear_down();
}

static pid_t pid_in_file;

static bool is_gone_too(void)
{
    return is_gone(pid_in_file);
}

/* The kernel sees to it, when nobody else can any more. */
TEST(provision_local_agents_die_with_us)
{
    pid_t us;

    set_up("deaf");
    us = fork();
    if (us == 0) {
        if (provision_local_new(&t.config, &t.p, NULL) ||
            provisioner_start(t.p, "eu-1", NULL, 1, NULL))
            _exit(1);
        for (;;)
            pause();
    }
    while (!get("pid")[0])
        usleep(5000);
    pid_in_file = (pid_t)strtol(get("pid"), NULL, 10);
    CHECK(!is_gone(pid_in_file));
    kill(us, SIGKILL);
    waitpid(us, NULL, 0);
    wait_for(is_gone_too);
    tear_down();
}

TEST(provision_local_refuses_what_it_can_not_start)
{
    set_up("");
    CHECK_EQ(provision_local_new(&t.config, &t.p, &t.d), 0);
    CHECK_EQ(provisioner_start(t.p, "eu 1", NULL, 1, NULL), ERR_INVALID);
    CHECK_EQ(provisioner_start(t.p, "--help", NULL, 1, NULL), ERR_INVALID);
    CHECK_EQ(provisioner_start(t.p, "", NULL, 1, NULL), ERR_INVALID);
    CHECK_EQ(provisioner_start(t.p, "eu", "a;b", 1, NULL), ERR_INVALID);
    CHECK_EQ(provisioner_start(t.p, "eu", NULL, PROVISION_MAX_AGENTS + 1, &t.d), ERR_LIMIT);
    CHECK(strstr(t.d.message, "a provisioner has at most 1000"));
    put("agent", "#!/no/such/interpreter\n", 0755);
    CHECK_EQ(provisioner_start(t.p, "eu", NULL, 1, NULL), -ENOENT);
    CHECK_EQ(list(), 0);
    unlink(path_of("agent"));
    diag_deinit(&t.d);
    t.d = (struct diag)DIAG_INIT;
    CHECK_EQ(provisioner_start(t.p, "eu", NULL, 1, &t.d), -ENOENT);
    CHECK(strstr(t.d.message, "/agent: "));
    provisioner_free(t.p);
    t.p = NULL;
    CHECK_EQ(provision_local_new(&t.config, &t.p, NULL), -ENOENT);
    tear_down();
}

/* --- hosts files -------------------------------------------------------------------------- */

TEST(provision_hosts_are_read)
{
    struct provision_hosts hosts;

    set_up("");
    put("hosts", "# region host flags\n\n eu-1/a  gale@10.0.0.7 --max-vus 500 # big\neu-1\t[x\n",
        0644);
    CHECK_EQ(provision_hosts_read(path_of("hosts"), &hosts, &t.d), ERR_INVALID);
    CHECK(t.d.line == 4 && strstr(t.d.message, "'[x' is no [USER@]HOST"));
    put("hosts",
        "# region host flags\n\n eu-1/a  gale@10.0.0.7 --max-vus 500 # big\neu-2\tfe80::1%e0",
        0644);
    CHECK_EQ(provision_hosts_read(path_of("hosts"), &hosts, NULL), 0);
    CHECK_EQ(hosts.count, 2);
    CHECK_TEXT(hosts.list[0].region, "eu-1");
    CHECK_TEXT(hosts.list[0].zone, "a");
    CHECK_TEXT(hosts.list[0].host, "gale@10.0.0.7");
    CHECK_EQ(hosts.list[0].flag_count, 2);
    CHECK_TEXT(hosts.list[0].flags[1], "500");
    CHECK_TEXT(hosts.list[1].host, "fe80::1%e0");
    CHECK_TEXT(hosts.list[1].zone, "");
    provision_hosts_deinit(&hosts);
    tear_down();
}

TEST(provision_hosts_that_are_wrong)
{
    static const char *const bad[] = {
        "",         "# none\n",  "eu-1\n",  "/a host\n", "eu -oProxyCommand=x\n",
        "eu a;b\n", "eu $(x)\n", "eu 'a'\n"};
    struct provision_ssh_config config = {.ssh = "/bin/true"};
    struct provision_hosts hosts;
    char *long_line = mem_zalloc(10000);

    set_up("");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        put("hosts", bad[i], 0644);
        CHECK_EQ(provision_hosts_read(path_of("hosts"), &hosts, NULL), ERR_INVALID);
    }
    memset(long_line, 'x', 9999);
    put("hosts", long_line, 0644);
    CHECK_EQ(provision_hosts_read(path_of("hosts"), &hosts, NULL), ERR_LIMIT);
    CHECK_EQ(provision_hosts_read(path_of("nowhere"), &hosts, &t.d), -ENOENT);
    CHECK(strstr(t.d.message, "nowhere: No such file or directory"));
    diag_deinit(&t.d);
    t.d = (struct diag)DIAG_INIT;
    put("hosts", "e.u host\n", 0644);
    config.common = t.config;
    config.hosts = path_of("hosts");
    CHECK_EQ(provision_ssh_new(&config, &t.p, &t.d), ERR_INVALID);
    CHECK(strstr(t.d.message, "hosts: 'e.u' is no region's name"));
    mem_free(long_line);
    tear_down();
}

/* --- ssh ---------------------------------------------------------------------------------- */

static uint16_t free_port(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK_EQ(bind(fd, (struct sockaddr *)&sa, len), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    close(fd);
    return ntohs(sa.sin_port);
}

static void make_key(const char *name)
{
    char *command = mem_printf("ssh-keygen -q -t ed25519 -N '' -f %s", path_of(name));

    CHECK_EQ(system(command), 0);
    mem_free(command);
}

/* An sshd as an ordinary process, with keys of its own; ssh's configuration is in "ssh_config". */
static void start_sshd(void)
{
    uint16_t port = free_port();
    char *text;

    if (access("/usr/sbin/sshd", X_OK) != 0)
        test_fail(__FILE__, __LINE__,
                  "sshd is missing: install openssh-server (tools/deps.sh test)");
    if (geteuid() == 0)
        mkdir("/run/sshd", 0755); /* where sshd of a system locks itself in; there already or not */
    make_key("host_key");
    make_key("key");
    text = mem_printf("Port %u\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\n"
                      "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
                      "PermitUserEnvironment no\n",
                      port, path_of("host_key"), path_of("key.pub"));
    put("sshd_config", text, 0600);
    mem_free(text);
    text = mem_printf("[127.0.0.1]:%u %s", port, get("host_key.pub"));
    put("known_hosts", text, 0600);
    mem_free(text);
    text = mem_printf("Host far1 far2\n HostName 127.0.0.1\n Port %u\n IdentityFile %s\n"
                      " IdentitiesOnly yes\n UserKnownHostsFile %s\n StrictHostKeyChecking yes\n"
                      " HostKeyAlias [127.0.0.1]:%u\n",
                      port, path_of("key"), path_of("known_hosts"), port);
    put("ssh_config", text, 0600);
    mem_free(text);
    CHECK_EQ(
        process_start(&t.sshd,
                      &(struct process_how){.argv = (const char *[]){"/usr/sbin/sshd", "-D", "-f",
                                                                     path_of("sshd_config"), "-E",
                                                                     path_of("sshd.log"), NULL}},
                      NULL),
        0);
    for (int i = 0; i < 500 && !has("sshd.log", "listening"); i++)
        usleep(10000);
    CHECK(has("sshd.log", "listening"));
}

static void make_ssh(const char *hosts)
{
    struct provision_ssh_config config = {.common = t.config};

    put("hosts", hosts, 0644);
    config.hosts = path_of("hosts");
    config.ssh_config = path_of("ssh_config");
    CHECK_EQ(provision_ssh_new(&config, &t.p, &t.d), 0);
}

TEST(provision_ssh_starts_and_stops)
{
    char want[512];

    set_up("");
    start_sshd();
    t.config.environment = secret;
    make_ssh("eu-1/a far1 --max-vus 500\n");
    CHECK_TEXT(t.p->name, "ssh");
    CHECK_EQ(provisioner_start(t.p, "us-1", NULL, 1, &t.d), ERR_NOT_FOUND);
    CHECK_TEXT(t.d.message, "the hosts file has no host for region us-1");
    CHECK_EQ(provisioner_start(t.p, "eu-1", "b", 1, NULL), ERR_NOT_FOUND);
    CHECK_EQ(provisioner_start(t.p, "eu-1", NULL, 1, NULL), 0);
    CHECK_EQ(list(), 1);
    wait_for(is_there);
    snprintf(want, sizeof want,
             "agent\n--id\n%s\n--region\neu-1\n--nats\nnats://127.0.0.1:4222\n--log-format\njson\n"
             "--zone\na\n--label\na=b c\n--max-vus\n500\n",
             t.id);
    CHECK_TEXT(get("args"), want);
    snprintf(want, sizeof want, "\nGALE_NATS_USER=%s\n", t.id);
    CHECK(has("env", want));
    CHECK(has("env", "\nGALE_NATS_PASSWORD=pa ss=word\n"));
    CHECK(has("log", "level=error msg=\"it is \\\"here\\\"\" agent=eu-1-"));
    pid_in_file = (pid_t)strtol(get("pid"), NULL, 10);
    CHECK_EQ(provisioner_stop(t.p, t.id, NULL), 0);
    wait_for(has_ended);
    CHECK_TEXT(t.how, "exit code 7"); /* the agent's own */
    CHECK(has("log", "msg=going agent=eu-1-"));
    CHECK(is_gone(pid_in_file));
    CHECK_EQ(list(), 0);
    tear_down();
}

TEST(provision_ssh_ends_agents_when_the_connection_does)
{
    set_up("");
    start_sshd();
    make_ssh("eu-1 far1\n");
    CHECK_EQ(provisioner_start(t.p, "eu-1", NULL, 1, NULL), 0);
    wait_for(is_there);
    pid_in_file = (pid_t)strtol(get("pid"), NULL, 10);
    provisioner_free(t.p);
    t.p = NULL;
    wait_for(is_gone_too);
    tear_down();
}

static size_t at_far1;

static void count_far1(void *arg, const struct provisioned_agent *agent)
{
    (void)arg;
    at_far1 += strcmp(agent->place, "far1") == 0;
}

TEST(provision_ssh_spreads_over_the_hosts)
{
    set_up("");
    start_sshd();
    make_ssh("eu-1/a far1\neu-1/b far2\nus-1 far2\n");
    CHECK_EQ(provisioner_start(t.p, "eu-1", NULL, 4, NULL), 0);
    provisioner_each(t.p, count_far1, NULL);
    CHECK_EQ(at_far1, 2);
    CHECK_EQ(provisioner_start(t.p, "eu-1", "a", 2, NULL), 0);
    at_far1 = 0;
    provisioner_each(t.p, count_far1, NULL);
    CHECK_EQ(at_far1, 4);
    CHECK_EQ(list(), 6);
    tear_down();
}

TEST(provision_ssh_tells_of_a_host_that_is_no_friend)
{
    set_up("");
    start_sshd();
    put("known_hosts", "", 0600); /* its key is unknown now, and nobody is asked */
    make_ssh("eu-1 far1\n");
    CHECK_EQ(provisioner_start(t.p, "eu-1", NULL, 1, NULL), 0);
    wait_for(has_ended);
    CHECK_TEXT(t.how, "exit code 255");
    CHECK(has("log", "Host key verification failed"));
    CHECK(!get("args")[0]);
    tear_down();
}

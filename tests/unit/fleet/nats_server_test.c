#include "fleet/nats_server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nats_fixture.h"
#include "support/test.h"

/* Starts it and expects a message with `text` in it. */
static void refused(const struct nats_server_config *config, const char *text)
{
    struct nats_server *s = NULL;
    struct diag d = DIAG_INIT;

    CHECK(nats_server_start(config, &s, &d) < 0);
    CHECK(!s);
    if (!d.message || !strstr(d.message, text))
        test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", d.message ? d.message : "", text);
    diag_deinit(&d);
}

TEST(nats_server_starts_and_stops)
{
    struct rig r;
    int pid;

    rig_start(&r);
    pid = nats_server_pid(r.server);
    CHECK(pid > 0 && kill(pid, 0) == 0);
    CHECK(strncmp(nats_server_url(r.server), "nats://127.0.0.1:", 17) == 0);
    rig_close(&r);
    CHECK(kill(pid, 0) != 0);
}

TEST(nats_server_says_what_is_missing)
{
    struct nats_server_config config;
    char path[128];
    struct rig r;

    rig_open(&r);
    config = rig_config(&r);
    CHECK_EQ(setenv("PATH", "/nowhere", 1), 0);
    config.program = "/nowhere/nats-server";
    refused(&config, "/nowhere/nats-server: No such file");
    config.program = "/bin/false";
    refused(&config, "did not start (exit code 1)");
    config.program = NULL;
    config.data = "/proc/nowhere/data";
    refused(&config, "/proc/nowhere/data can't be made");
    snprintf(path, sizeof path, "%s/file", r.folder);
    fclose(fopen(path, "w"));
    config.data = path;
    refused(&config, "file");
    config.data = r.folder;
    config.host = "192.0.2.1";
    refused(&config, "192.0.2.1 can't be listened on");
    config.host = "127.0.0.1";
    config.port = rig_talker("x");
    refused(&config, "is taken by another program: end that one, or choose another port");
    rig_close(&r);
}

TEST(nats_server_keeps_its_port_and_its_folder_to_itself)
{
    struct nats_server_config config;
    struct diag d = DIAG_INIT;
    struct rig r;
    char *url;

    rig_start(&r);
    url = mem_strdup(nats_server_url(r.server));
    config = rig_config(&r);
    refused(&config, "in use by another controller");
    nats_server_stop(r.server);
    CHECK_EQ(nats_server_start(&config, &r.server, &d), 0);
    CHECK_TEXT(nats_server_url(r.server), url);
    mem_free(url);
    rig_close(&r);
}

TEST(nats_server_comes_back_after_a_kill)
{
    struct rig r;
    int pid;

    rig_start(&r);
    pid = nats_server_pid(r.server);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    RUN_UNTIL(&r, r.exits == 1);
    CHECK(strstr(r.why, "signal 9"));
    RUN_UNTIL(&r, nats_server_pid(r.server) > 0);
    CHECK(nats_server_pid(r.server) != pid);
    rig_close(&r);
}

TEST(nats_server_ends_with_its_owner)
{
    struct rig r;
    struct nats_server_config config;
    int fds[2];
    pid_t pid;
    int server = 0;

    rig_open(&r);
    config = rig_config(&r);
    CHECK_EQ(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        struct diag d = DIAG_INIT;

        CHECK_EQ(nats_server_start(&config, &r.server, &d), 0);
        server = nats_server_pid(r.server);
        CHECK_EQ(write(fds[1], &server, sizeof server), sizeof server);
        pause();
    }
    CHECK_EQ(read(fds[0], &server, sizeof server), sizeof server);
    CHECK_EQ(kill(server, 0), 0);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < 500 && kill(server, 0) == 0; i++)
        usleep(10000);
    CHECK(kill(server, 0) != 0);
    rig_close(&r);
}

/* Who may do what on our nats-server, and how it comes over TLS. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "nats_fixture.h"
#include "support/test.h"

static struct nats_user users[] = {
    {(char[]){"control"}, (char[]){"c'$#{secret} é"}, NULL},
    {(char[]){"a1"}, (char[]){"one"}, (char[]){"a1"}},
    {(char[]){"a2"}, (char[]){"two"}, (char[]){"a2"}},
};

static void start_with(struct rig *r, size_t count)
{
    struct nats_server_config config;
    struct diag d = DIAG_INIT;

    rig_open(r);
    config = rig_config(r);
    config.users = users;
    config.user_count = count;
    if (nats_server_start(&config, &r->server, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
}

static struct bus_config config_of(struct rig *r, size_t user)
{
    struct bus_config config = rig_bus_config(r, nats_server_url(r->server));

    config.user = users[user].name;
    config.password = users[user].password;
    config.inbox = user == 0 ? NULL : user == 1 ? "_INBOX_a1" : "_INBOX_a2";
    return config;
}

static struct bus *open_as(struct rig *r, size_t user)
{
    struct bus_config config = config_of(r, user);
    struct diag d = DIAG_INIT;
    struct bus *bus;

    if (bus_open(&config, &bus, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
    return bus;
}

static void refused(const struct bus_config *config, const char *text)
{
    struct diag d = DIAG_INIT;
    struct bus *bus = NULL;
    int64_t began = clock_now();

    CHECK(bus_open(config, &bus, &d) < 0);
    CHECK(!bus);
    CHECK(clock_now() - began < 3 * NSEC_PER_SEC); /* not worth 5 s of attempts */
    if (!d.message || !strstr(d.message, text))
        test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", d.message ? d.message : "", text);
    diag_deinit(&d);
}

struct seen {
    int count;
    char text[512];
    struct bus *bus;
    int answers;
    int err;
};

static void on_message(void *arg, const struct bus_message *m)
{
    struct seen *s = arg;
    size_t at = strlen(s->text);

    s->count++;
    snprintf(s->text + at, sizeof s->text - at, "%.*s ", STR_ARG(m->subject));
    if (s->bus && m->reply)
        CHECK_EQ(bus_publish(s->bus, m->reply, STR("yes")), 0);
}

static void on_answer(void *arg, int err, const struct bus_message *m)
{
    struct seen *s = arg;

    s->answers++;
    s->err = err;
    CHECK((err == 0) == (m != NULL));
}

static void answered(void *arg, int err)
{
    struct seen *s = arg;

    s->answers++;
    s->err = err;
}

TEST(nats_users_are_held_to_their_own_subjects)
{
    static const char *const forbidden[] = {"gale.agent.a2.status", "gale.agent.a1", "other"};
    struct bus_stream_config stream = {.name = "DATA", .subjects = "gale.agent.*.data.*"};
    struct diag d = DIAG_INIT;
    struct seen all = {0};
    struct seen spy = {0};
    struct seen ack = {0};
    struct bus *control;
    struct bus *agent;
    struct bus *other;
    struct bus_sub *sub;
    struct rig r;

    start_with(&r, 3);
    control = open_as(&r, 0);
    agent = open_as(&r, 1);
    other = open_as(&r, 2);
    CHECK_EQ(bus_stream_make(control, &stream, &d), 0);
    all.bus = control;
    CHECK_EQ(bus_subscribe(control, "gale.>", 100, on_message, &all, &sub), 0);
    CHECK_EQ(bus_subscribe(control, "other", 100, on_message, &all, &sub), 0);
    CHECK_EQ(bus_subscribe(other, "gale.agent.a1.order", 100, on_message, &spy, &sub), 0);
    CHECK_EQ(bus_subscribe(other, "gale.>", 100, on_message, &spy, &sub), 0);
    CHECK_EQ(bus_subscribe(other, "_INBOX_a1.>", 100, on_message, &spy, &sub), 0);
    CHECK_EQ(bus_subscribe(other, "_INBOX.>", 100, on_message, &spy, &sub), 0);
    rig_turn(&r, 50);
    for (size_t i = 0; i < COUNT_OF(forbidden); i++)
        CHECK_EQ(bus_publish(agent, forbidden[i], STR("")), 0);
    CHECK_EQ(bus_publish(agent, "gale.agent.a1.status", STR("")), 0);
    RUN_UNTIL(&r, all.count == 1);
    CHECK_TEXT(all.text, "gale.agent.a1.status ");
    /* A question, and a message for the stream: both answers come to its own inbox. */
    CHECK_EQ(bus_request(agent, "gale.agent.a1.ask", STR("?"), NSEC_PER_SEC, on_answer, &ack), 0);
    RUN_UNTIL(&r, ack.answers == 1);
    CHECK_EQ(ack.err, 0);
    all.bus = NULL;
    CHECK_EQ(bus_stream_publish(agent, "gale.agent.a1.data.r1", "1", STR("x"), NSEC_PER_SEC,
                                answered, &ack),
             0);
    RUN_UNTIL(&r, ack.answers == 2);
    CHECK_EQ(ack.err, 0);
    /* JetStream itself is not theirs. */
    CHECK_EQ(bus_request(agent, "$JS.API.STREAM.INFO.DATA", STR(""), 200 * NSEC_PER_MSEC, on_answer,
                         &ack),
             0);
    RUN_UNTIL(&r, ack.answers == 3);
    CHECK_EQ(ack.err, ERR_TIMEOUT);
    CHECK_EQ(bus_publish(control, "gale.agent.a1.order", STR("")), 0);
    rig_turn(&r, 50);
    CHECK_EQ(spy.count, 0);
    CHECK(bus_is_up(agent) && bus_is_up(other)); /* refused, not thrown out */
    bus_close(control);
    bus_close(agent);
    bus_close(other);
    rig_close(&r);
}

TEST(nats_users_come_and_go_while_others_stay)
{
    struct diag d = DIAG_INIT;
    struct bus *control;
    struct bus *agent;
    struct bus_config config;
    struct rig r;

    start_with(&r, 2);
    control = open_as(&r, 0);
    config = config_of(&r, 2);
    refused(&config, "check the user and password");
    CHECK_EQ(nats_server_set_users(r.server, users, 3, &d), 0);
    agent = open_as(&r, 2);
    RUN_UNTIL(&r, r.ups == 2);
    CHECK_EQ(nats_server_set_users(r.server, users, 2, &d), 0);
    RUN_UNTIL(&r, r.downs == 1 && !bus_is_up(agent));
    CHECK(bus_is_up(control));
    rig_turn(&r, 300); /* it is refused more than once meanwhile, and goes on */
    CHECK(!bus_is_up(agent));
    CHECK_EQ(nats_server_set_users(r.server, users, 3, &d), 0);
    RUN_UNTIL(&r, r.ups == 3 && bus_is_up(agent));
    CHECK_EQ(r.downs, 1);
    config = config_of(&r, 2);
    config.password = "wrong";
    refused(&config, "check the user and password");
    config.password = "\"";
    refused(&config, "can't be sent");
    config = config_of(&r, 2);
    config.credentials = "/nowhere";
    refused(&config, "the credentials file /nowhere: No such file");
    bus_close(control);
    bus_close(agent);
    rig_close(&r);
}

TEST(nats_users_are_checked)
{
    struct nats_user bad[] = {
        {(char[]){"a b"}, (char[]){"x"}, NULL},
        {(char[]){"a"}, (char[]){""}, NULL},
        {(char[]){"a"}, (char[]){"\"x"}, NULL},
        {(char[]){"a"}, (char[]){"x"}, (char[]){"a.*"}},
        {(char[]){"a"}, (char[]){"x"}, (char[]){">"}},
        {(char[]){""}, (char[]){"x"}, NULL},
    };
    struct nats_user twice[] = {users[1], users[1]};
    struct diag d = DIAG_INIT;
    struct bus *control;
    struct rig r;

    start_with(&r, 2);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CHECK_EQ(nats_server_set_users(r.server, &bad[i], 1, &d), ERR_INVALID);
        diag_deinit(&d);
        d = (struct diag)DIAG_INIT;
    }
    CHECK_EQ(nats_server_set_users(r.server, twice, 2, &d), ERR_INVALID);
    CHECK(strstr(d.message, "two users are named a1"));
    diag_deinit(&d);
    control = open_as(&r, 0); /* and nothing has changed */
    bus_close(control);
    rig_close(&r);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void make_certificate(const char *folder, const char *name, const char *names)
{
    char command[512];

    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
             "-subj /CN=%s -addext subjectAltName=%s -keyout %s/%s.key -out %s/%s.pem 2>/dev/null",
             name, names, folder, name, folder, name);
    if (system(command) != 0) /* NOLINT */
        test_fail(__FILE__, __LINE__, "the openssl program failed; it is in `tools/deps.sh test`");
}

TEST(nats_over_tls)
{
    struct nats_server_config config;
    struct bus_config client;
    struct diag d = DIAG_INIT;
    struct bus *bus;
    char cert[128];
    char key[128];
    char plain[128];
    char other[128];
    struct rig r;

    rig_open(&r);
    make_certificate(r.folder, "server", "IP:127.0.0.1,DNS:fleet.test");
    make_certificate(r.folder, "other", "IP:127.0.0.1");
    snprintf(cert, sizeof cert, "%s/server.pem", r.folder);
    snprintf(key, sizeof key, "%s/server.key", r.folder);
    snprintf(other, sizeof other, "%s/other.pem", r.folder);
    config = rig_config(&r);
    config.cert_file = cert;
    config.key_file = key;
    if (nats_server_start(&config, &r.server, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
    CHECK(strncmp(nats_server_url(r.server), "tls://127.0.0.1:", 16) == 0);
    client = rig_bus_config(&r, nats_server_url(r.server));
    client.ca_file = cert;
    if (bus_open(&client, &bus, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
    bus_close(bus);
    client.ca_file = NULL;
    refused(&client, "TLS");
    client.ca_file = other;
    refused(&client, "TLS");
    client.ca_file = key;
    refused(&client, "the CA file");
    client.ca_file = cert;
    client.cert_file = other;
    client.key_file = "/nowhere";
    refused(&client, "the certificate");
    client.cert_file = NULL;
    client.tls_name = "fleet.test";
    if (bus_open(&client, &bus, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
    bus_close(bus);
    client.tls_name = "else.test";
    refused(&client, "TLS");
    snprintf(plain, sizeof plain, "nats://127.0.0.1%s", strrchr(nats_server_url(r.server), ':'));
    client = rig_bus_config(&r, plain);
    refused(&client, "TLS"); /* that the server wants, so that it is spoken all the same */
    rig_close(&r);
}

TEST(nats_over_tls_with_certificates_of_clients)
{
    struct nats_server_config config;
    struct bus_config client;
    struct diag d = DIAG_INIT;
    struct bus *bus;
    char cert[128];
    char key[128];
    struct rig r;

    rig_open(&r);
    make_certificate(r.folder, "server", "IP:127.0.0.1");
    snprintf(cert, sizeof cert, "%s/server.pem", r.folder);
    snprintf(key, sizeof key, "%s/server.key", r.folder);
    config = rig_config(&r);
    config.cert_file = cert;
    config.key_file = key;
    config.ca_file = cert;
    CHECK_EQ(nats_server_start(&config, &r.server, &d), 0);
    client = rig_bus_config(&r, nats_server_url(r.server));
    client.ca_file = cert;
    client.connect_timeout_nsec = NSEC_PER_SEC;
    refused(&client, nats_server_url(r.server));
    client.connect_timeout_nsec = 10 * NSEC_PER_SEC;
    client.cert_file = cert;
    client.key_file = key;
    if (bus_open(&client, &bus, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
    bus_close(bus);
    rig_close(&r);
}

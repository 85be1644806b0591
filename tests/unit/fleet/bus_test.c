#include "fleet/bus.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "nats_fixture.h"
#include "support/test.h"

struct got {
    int count;
    int last;
    bool in_order;
    int err;
    int answers;
    char text[128];
    struct bus *bus;
};

static void on_number(void *arg, const struct bus_message *m)
{
    struct got *g = arg;
    uint64_t n = 0;

    CHECK(str_to_u64(m->data, &n));
    if (g->count == 0)
        g->in_order = true;
    g->in_order = g->in_order && (int)n == g->last + 1;
    g->last = (int)n;
    g->count++;
}

static int publish_number(struct bus *bus, const char *subject, int n)
{
    char text[16];

    snprintf(text, sizeof text, "%d", n);
    return bus_publish(bus, subject, str_of(text));
}

/* Two subscribers of one subject on two connections get all, in order. */
TEST(bus_publishes_to_all_in_order)
{
    struct got a = {0};
    struct got b = {0};
    struct bus *one;
    struct bus *two;
    struct bus_sub *sub;
    char *text;
    struct rig r;

    rig_start(&r);
    one = rig_bus(&r);
    two = rig_bus(&r);
    CHECK(bus_is_up(one));
    CHECK_EQ(bus_max_payload(one), 8 << 20);
    text = bus_describe(one);
    CHECK(strstr(text, "ms away"));
    mem_free(text);
    CHECK_EQ(bus_subscribe(one, "t.*", 10000, on_number, &a, &sub), 0);
    CHECK_EQ(bus_subscribe(two, "t.>", 10000, on_number, &b, &sub), 0);
    RUN_UNTIL(&r, r.ups == 2);
    /* The other connection's subscription is there when its request has been answered. */
    rig_turn(&r, 100);
    for (int i = 1; i <= 1000; i++)
        CHECK_EQ(publish_number(one, "t.x", i), 0);
    RUN_UNTIL(&r, a.count == 1000 && b.count == 1000);
    CHECK(a.in_order && b.in_order);
    bus_close(one);
    bus_close(two);
    rig_close(&r);
}

static void echo(void *arg, const struct bus_message *m)
{
    struct got *g = arg;

    CHECK(m->reply);
    g->count++;
    CHECK_EQ(bus_publish(g->bus, m->reply, m->data), 0);
}

static void on_answer(void *arg, int err, const struct bus_message *m)
{
    struct got *g = arg;

    g->answers++;
    g->err = err;
    CHECK((err == 0) == (m != NULL));
    if (m) {
        CHECK(m->mono_nsec > 0 && m->mono_nsec <= clock_now());
        snprintf(g->text, sizeof g->text, "%.*s", STR_ARG(m->data));
    }
}

TEST(bus_requests_are_answered_once)
{
    struct got g = {0};
    struct bus_sub *sub;
    struct rig r;

    rig_start(&r);
    g.bus = rig_bus(&r);
    CHECK_EQ(bus_request(g.bus, "nobody", STR("?"), NSEC_PER_SEC, on_answer, &g), 0);
    RUN_UNTIL(&r, g.answers == 1);
    CHECK_EQ(g.err, ERR_NOBODY);
    CHECK_EQ(bus_subscribe(g.bus, "echo", 10, echo, &g, &sub), 0);
    CHECK_EQ(bus_request(g.bus, "echo", STR("hello"), NSEC_PER_SEC, on_answer, &g), 0);
    RUN_UNTIL(&r, g.answers == 2);
    CHECK_EQ(g.err, 0);
    CHECK_TEXT(g.text, "hello");
    bus_unsubscribe(sub);
    bus_close(g.bus);
    rig_close(&r);
}

static void ignore(void *arg, const struct bus_message *m)
{
    (void)m;
    (*(int *)arg)++;
}

TEST(bus_requests_time_out_and_end_with_the_bus)
{
    struct got g = {0};
    struct bus_sub *sub;
    int seen = 0;
    struct rig r;

    rig_start(&r);
    g.bus = rig_bus(&r);
    CHECK_EQ(bus_subscribe(g.bus, "mute", 10, ignore, &seen, &sub), 0);
    CHECK_EQ(bus_request(g.bus, "mute", STR(""), 50 * NSEC_PER_MSEC, on_answer, &g), 0);
    RUN_UNTIL(&r, g.answers == 1);
    CHECK_EQ(g.err, ERR_TIMEOUT);
    CHECK_EQ(seen, 1);
    CHECK_EQ(bus_request(g.bus, "mute", STR(""), NSEC_PER_SEC, on_answer, &g), 0);
    bus_close(g.bus);
    CHECK_EQ(g.answers, 2);
    CHECK_EQ(g.err, ERR_CANCELLED);
    rig_close(&r);
}

TEST(bus_bounds_what_waits_for_the_loop)
{
    struct bus *bus;
    struct bus_sub *sub;
    struct got g = {0};
    struct rig r;

    rig_start(&r);
    bus = rig_bus(&r);
    CHECK_EQ(bus_subscribe(bus, "t", 10, on_number, &g, &sub), 0);
    for (int i = 1; i <= 100; i++)
        CHECK_EQ(publish_number(bus, "t", i), 0);
    /* The loop does not run meanwhile. */
    for (int i = 0; i < 400 && bus_sub_dropped(sub) < 90; i++) {
        struct timespec ts = {0, 10000000};

        nanosleep(&ts, NULL);
    }
    CHECK_EQ(bus_sub_dropped(sub), 90);
    RUN_UNTIL(&r, g.count == 10);
    CHECK(g.in_order);
    bus_close(bus);
    rig_close(&r);
}

static void unsubscribe_itself(void *arg, const struct bus_message *m)
{
    struct bus_sub **sub = arg;

    (void)m;
    CHECK(*sub); /* not called any more once it has */
    bus_unsubscribe(*sub);
    *sub = NULL;
}

TEST(bus_unsubscribes_with_messages_on_the_way)
{
    struct bus *bus;
    struct rig r;

    rig_start(&r);
    bus = rig_bus(&r);
    for (int round = 0; round < 20; round++) {
        struct bus_sub *sub;
        struct bus_sub *other;
        int seen = 0;

        CHECK_EQ(bus_subscribe(bus, "t", 100, unsubscribe_itself, &sub, &sub), 0);
        CHECK_EQ(bus_subscribe(bus, "t", 100, ignore, &seen, &other), 0);
        for (int i = 0; i < 50; i++)
            CHECK_EQ(publish_number(bus, "t", i), 0);
        RUN_UNTIL(&r, !sub);
        bus_unsubscribe(other);
        rig_turn(&r, 1);
    }
    for (int i = 0; i < 50; i++)
        CHECK_EQ(publish_number(bus, "t", i), 0);
    bus_close(bus);
    rig_close(&r);
}

static void close_bus(void *arg, const struct bus_message *m)
{
    struct got *g = arg;

    (void)m;
    g->count++;
    bus_close(g->bus);
}

TEST(bus_may_be_closed_by_a_callback)
{
    struct got g = {0};
    struct bus_sub *sub;
    struct rig r;

    rig_start(&r);
    g.bus = rig_bus(&r);
    CHECK_EQ(bus_subscribe(g.bus, "t", 100, close_bus, &g, &sub), 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(publish_number(g.bus, "t", i), 0);
    RUN_UNTIL(&r, g.count == 1);
    rig_turn(&r, 20);
    CHECK_EQ(g.count, 1);
    rig_close(&r);
}

TEST(bus_refuses_what_is_no_subject_and_what_is_too_large)
{
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "a\tb"};
    char *large = mem_zalloc((8 << 20) + 1);
    struct bus *bus;
    struct bus_sub *sub;
    struct rig r;
    int seen = 0;

    rig_start(&r);
    bus = rig_bus(&r);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_EQ(bus_publish(bus, bad[i], STR("")), ERR_INVALID);
    CHECK_EQ(bus_subscribe(bus, "a.>.b", 1, ignore, &seen, &sub), ERR_INVALID);
    CHECK(bus_publish(bus, "a", str_from(large, (8 << 20) + 1)) < 0);
    CHECK_EQ(bus_subscribe(bus, "a", 1, ignore, &seen, &sub), 0);
    CHECK_EQ(bus_publish(bus, "a", str_from(large, 8 << 20)), 0);
    RUN_UNTIL(&r, seen == 1);
    CHECK(bus_is_up(bus));
    bus_close(bus);
    mem_free(large);
    rig_close(&r);
}

/* --- a server that goes, or never was --------------------------------------------------------- */

TEST(bus_comes_back_when_the_server_does)
{
    struct got g = {0};
    struct got answer = {0};
    struct bus_sub *sub;
    int64_t began;
    struct rig r;

    rig_start(&r);
    g.bus = rig_bus(&r);
    CHECK_EQ(bus_subscribe(g.bus, "t", 100, on_number, &g, &sub), 0);
    RUN_UNTIL(&r, r.ups == 1);
    CHECK_EQ(bus_request(g.bus, "t", STR("1"), 30 * NSEC_PER_SEC, on_answer, &answer), 0);
    RUN_UNTIL(&r, g.count == 1);
    kill(nats_server_pid(r.server), SIGKILL);
    RUN_UNTIL(&r, r.downs == 1);
    CHECK_EQ(answer.answers, 1); /* long before its time */
    CHECK_EQ(answer.err, ERR_LINK_DOWN);
    began = clock_now();
    CHECK(bus_publish(g.bus, "t", STR("2")) == ERR_LINK_DOWN || bus_is_up(g.bus));
    CHECK(clock_now() - began < NSEC_PER_SEC);
    RUN_UNTIL(&r, r.ups == 2);
    CHECK_EQ(publish_number(g.bus, "t", 2), 0);
    RUN_UNTIL(&r, g.last == 2);
    bus_close(g.bus);
    rig_close(&r);
}

/* A server that neither reads nor answers: the loop is never held up. */
TEST(bus_never_blocks_on_a_server_that_stands_still)
{
    char *large = mem_zalloc(1 << 20);
    int64_t began;
    struct bus *bus;
    struct got g = {0};
    int err = 0;
    struct rig r;

    rig_start(&r);
    bus = rig_bus(&r);
    kill(nats_server_pid(r.server), SIGSTOP);
    began = clock_now();
    CHECK_EQ(bus_request(bus, "t", STR(""), 50 * NSEC_PER_MSEC, on_answer, &g), 0);
    for (int i = 0; i < 1000 && err == 0; i++)
        err = bus_publish(bus, "t", str_from(large, 1 << 20));
    CHECK_EQ(err, ERR_LIMIT);
    RUN_UNTIL(&r, g.answers == 1);
    CHECK_EQ(g.err, ERR_TIMEOUT);
    CHECK(clock_now() - began < 5 * NSEC_PER_SEC);
    bus_close(bus); /* within a second, though nothing goes out */
    CHECK(clock_now() - began < 7 * NSEC_PER_SEC);
    kill(nats_server_pid(r.server), SIGCONT);
    mem_free(large);
    rig_close(&r);
}

static void cannot_open(struct rig *r, const char *url, const char *text)
{
    struct bus_config config = rig_bus_config(r, url);
    struct bus *bus = NULL;
    struct diag d = DIAG_INIT;

    config.connect_timeout_nsec = 300 * NSEC_PER_MSEC;
    CHECK(bus_open(&config, &bus, &d) < 0);
    CHECK(!bus);
    if (!d.message || !strstr(d.message, text))
        test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", d.message ? d.message : "", text);
    diag_deinit(&d);
}

TEST(bus_says_why_it_can_not_connect)
{
    struct rig r;
    char url[64];

    rig_open(&r);
    cannot_open(&r, "", "no server given");
    cannot_open(&r, "http://x", "\"http://x\" is no address");
    cannot_open(&r, "nats://", "is no address");
    cannot_open(&r, "nats://a:b", "is no address");
    cannot_open(&r, "nats://a:99999", "is no address");
    snprintf(url, sizeof url, "nats://me:secret@127.0.0.1:%d", rig_talker(NULL));
    cannot_open(&r, url, "Connection refused");
    snprintf(url, sizeof url, "127.0.0.1:%d", rig_talker("HTTP/1.1 400 Bad Request\r\n\r\n"));
    cannot_open(&r, url, "no NATS server listens there");
    rig_close(&r);
}

/* A run's outputs on a thread of their own: what is fed arrives once, in order, whoever delivers.
 */
#include "fleet/delivery.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "metrics/shard.h"
#include "metrics/window.h"
#include "support/test.h"

struct fixture {
    struct loop *loop;
    struct delivery *delivery;
    struct shard *shard; /* its series outlive the delivery */
    int fd;              /* a StatsD server */
    struct timer timeout;
    struct buf said;
    bool is_over;
};

static void on_said(void *arg, enum log_level level, const char *text)
{
    (void)level;
    buf_printf(&((struct fixture *)arg)->said, "%s\n", text);
}

static void on_over(void *arg)
{
    struct fixture *f = arg;

    f->is_over = true;
    loop_stop(f->loop);
}

static void on_timeout(struct timer *timer)
{
    loop_stop(CONTAINER_OF(timer, struct fixture, timeout)->loop);
}

static void begin(struct fixture *f, int64_t delivered)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof to;
    const struct delivery_events events = {.say = on_said, .over = on_over, .arg = f};
    struct diag d = DIAG_INIT;
    json_t *settings;
    char *spec;

    *f = (struct fixture){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    buf_init(&f->said, SIZE_MAX);
    CHECK_EQ(bind(f->fd, (const struct sockaddr *)&to, len), 0);
    CHECK_EQ(getsockname(f->fd, (struct sockaddr *)&to, &len), 0);
    spec = mem_printf("statsd=127.0.0.1:%u", ntohs(to.sin_port));
    settings =
        json_pack("{s:[s], s:{s:s}}", "outputs", spec, "env", "K6_STATSD_NAMESPACE", "fleet.");
    CHECK_EQ(loop_new(&f->loop), 0);
    f->shard = shard_new(&(struct shard_options){0});
    CHECK_EQ(delivery_open(settings, NULL, &f->delivery, &d), 0);
    CHECK_EQ(delivery_start(f->delivery, f->loop, delivered, &events), 0);
    timer_init(&f->timeout, on_timeout);
    timer_start(f->loop, &f->timeout, clock_now() + 20 * NSEC_PER_SEC);
    json_decref(settings);
    mem_free(spec);
}

static void feed(struct fixture *f, int64_t second, double value)
{
    struct window *w;

    shard_add(f->shard, METRIC_HTTP_REQS, 0, value, 0);
    w = shard_take_window(f->shard);
    delivery_window(f->delivery, second, w);
    window_free(w);
    delivery_second(f->delivery, second, clock_wall(), 1);
}

/* All datagrams that are there. */
static void receive(struct fixture *f, struct buf *out)
{
    char data[2048];
    ssize_t got;

    while ((got = recv(f->fd, data, sizeof data, MSG_DONTWAIT)) >= 0) {
        buf_append(out, data, (size_t)got);
    }
    buf_append_char(out, '\0');
}

static void end(struct fixture *f)
{
    delivery_free(f->delivery);
    timer_stop(f->loop, &f->timeout);
    loop_free(f->loop);
    shard_free(f->shard);
    buf_deinit(&f->said);
    close(f->fd);
}

static void check_sent(struct fixture *f, const char *expected)
{
    struct buf got = BUF_INIT(SIZE_MAX);

    receive(f, &got);
    CHECK_TEXT(got.data, expected);
    buf_deinit(&got);
}

TEST(delivery_sends_each_second_once_and_ends)
{
    struct fixture f;

    begin(&f, INT64_MIN);
    feed(&f, -1, 5);
    feed(&f, 0, 2);
    feed(&f, 1, 3);
    delivery_end(f.delivery);
    feed(&f, 2, 1); /* too late: nobody listens */
    loop_run(f.loop);
    CHECK(f.is_over && delivery_is_over(f.delivery));
    check_sent(&f, "fleet.http_reqs:5|c\nfleet.http_reqs:2|c\nfleet.http_reqs:3|c\n");
    CHECK_EQ(f.said.len, 0);
    end(&f);
}

TEST(delivery_leaves_out_what_another_controller_has_sent)
{
    struct fixture f;

    begin(&f, 1);
    feed(&f, -1, 5);
    feed(&f, 0, 2);
    feed(&f, 1, 3);
    feed(&f, 2, 4);
    delivery_end(f.delivery);
    loop_run(f.loop);
    check_sent(&f, "fleet.http_reqs:4|c\n");
    end(&f);
}

TEST(delivery_waits_while_another_controller_may_lead)
{
    struct fixture f;

    begin(&f, INT64_MIN);
    delivery_hold(f.delivery);
    feed(&f, 0, 2);
    feed(&f, 1, 3);
    delivery_release(f.delivery);
    feed(&f, 2, 4);
    delivery_end(f.delivery);
    loop_run(f.loop);
    check_sent(&f, "fleet.http_reqs:2|c\nfleet.http_reqs:3|c\nfleet.http_reqs:4|c\n");
    end(&f);

    begin(&f, INT64_MIN);
    feed(&f, 0, 1);
    delivery_hold(f.delivery);
    feed(&f, 1, 2);
    delivery_free(f.delivery); /* the other one does lead */
    f.delivery = NULL;
    check_sent(&f, "fleet.http_reqs:1|c\n");
    end(&f);
}

static void refused(const char *settings, const char *why)
{
    json_t *json = json_loads(settings, 0, NULL);
    struct delivery *delivery = NULL;
    struct diag d = DIAG_INIT;

    CHECK(json != NULL);
    CHECK(delivery_open(json, NULL, &delivery, &d) < 0);
    CHECK(delivery == NULL);
    if (!d.message || !strstr(d.message, why))
        CHECK_TEXT(d.message, why);
    diag_deinit(&d);
    json_decref(json);
}

TEST(delivery_refuses_what_a_stranger_must_not_ask_for)
{
    struct delivery *delivery = NULL;
    struct diag d = DIAG_INIT;

    refused("{\"outputs\": [\"json=/etc/passwd\"]}", "gale agent --out");
    refused("{\"outputs\": [\"statsd=127.0.0.1:1\", \"csv\"]}", "gale agent --out");
    refused("{\"outputs\": [\"influxdb\"], \"env\": {\"K6_INFLUXDB_SAMPLES\": \"true\"}}",
            "gale agent --out");
    refused("{\"outputs\": [\"opentelemetry\"], \"env\": {\"K6_OTEL_TLS_CLIENT_KEY\": \"/x\"}}",
            "names a file");
    refused("{\"outputs\": [\"statsd\"], \"env\": {\"HTTP_PROXY\": \"x\"}}", "configures none");
    refused("{\"env\": {\"K6_STATSD_ADDR\": \"x\"}}", "configures none");
    refused("{\"outputs\": \"statsd\"}", "a list of texts");
    refused("{\"outputs\": [1]}", "texts of 1 to");
    refused("{\"scrape\": [\"a=b\"]}", "--scrape");
    refused("{\"scrape\": [\"a=http://x/\", \"a=http://y/\"]}", "two targets");
    refused("{\"scrape\": [\"1=http://x/\",\"2=http://x/\",\"3=http://x/\",\"4=http://x/\","
            "\"5=http://x/\",\"6=http://x/\",\"7=http://x/\",\"8=http://x/\",\"9=http://x/\","
            "\"10=http://x/\",\"11=http://x/\"]}",
            "10 at most");
    CHECK_EQ(delivery_open(NULL, NULL, &delivery, &d), 0);
    CHECK(delivery == NULL);
    delivery_free(delivery);
}

TEST(delivery_that_never_began_is_freed)
{
    json_t *json = json_pack("{s:[s, s], s:[s]}", "outputs", "prometheus-rw=http://127.0.0.1:1/",
                             "opentelemetry", "scrape", "a=http://127.0.0.1:1/");
    struct delivery *delivery = NULL;
    struct diag d = DIAG_INIT;

    CHECK_EQ(delivery_open(json, NULL, &delivery, &d), 0);
    delivery_free(delivery);
    json_decref(json);
}

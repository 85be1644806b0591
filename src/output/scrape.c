#include "output/scrape.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "output/correlate.h"
#include "output/exposition.h"
#include "output/transport_net.h"
#include "proto/http.h"

enum {
    SERIES_MAX = 500,   /* of a target; more are left out, and counted */
    SECONDS_MAX = 7200, /* of a run: two hours */
    BODY_MAX = 8 * 1024 * 1024,
    SHOWN_MAX = 15,
};
#define TIMEOUT (5 * NSEC_PER_SEC)

/* One of a target's, by the second; NAN where nothing was read. */
struct row {
    char *name; /* owned; with its labels */
    bool is_cumulative;
    double *values; /* owned */
    size_t count;
};

struct target {
    char *name; /* owned */
    struct transport_net net;
    struct url url;
    struct http_client *client;
    struct fiber *fiber; /* NULL: nothing is being read */
    size_t second;       /* that it is read for */
    struct map rows;     /* struct row *, owned */
    size_t left_out;
    size_t read; /* answers */
    bool was_said;
};

struct scrape {
    struct loop *loop;
    const char *(*env)(const char *name);
    struct target **targets; /* owned */
    size_t count;
    double *p95; /* owned */
    size_t seconds;
};

struct scrape *scrape_new(struct loop *loop, const char *(*env)(const char *name))
{
    struct scrape *s = mem_zalloc(sizeof *s);

    s->loop = loop;
    s->env = env;
    s->p95 = mem_calloc(SECONDS_MAX, sizeof *s->p95);
    return s;
}

/* --- reading ------------------------------------------------------------------------------ */

/* Pads with NAN up to the second. */
static void put_value(struct row *row, size_t second, double value)
{
    while (row->count <= second) {
        if ((row->count & (row->count - 1)) == 0)
            row->values =
                mem_reallocarray(row->values, row->count ? row->count * 2 : 1, sizeof *row->values);
        row->values[row->count++] = NAN;
    }
    row->values[second] = value;
}

static void take_sample(void *arg, const struct exposed *e)
{
    struct target *t = arg;
    struct row *row = map_get(&t->rows, e->series);

    if (str_ends_with(e->name, STR("_bucket")) || str_ends_with(e->name, STR("_created")))
        return; /* their sum and count say as much */
    if (!row && t->rows.count >= SERIES_MAX) {
        t->left_out++;
        return;
    }
    if (!row) {
        row = mem_zalloc(sizeof *row);
        row->name = str_dup(e->series);
        row->is_cumulative =
            e->kind == EXPOSED_COUNTER || str_ends_with(e->name, STR("_total")) ||
            (e->kind == EXPOSED_DISTRIBUTION &&
             (str_ends_with(e->name, STR("_sum")) || str_ends_with(e->name, STR("_count"))));
        map_set(&t->rows, e->series, row);
    }
    put_value(row, t->second, e->value);
}

static void say(struct target *t, const char *what, struct str why)
{
    if (!t->was_said)
        log_printf(LOG_WARN, "scrape %s: %s%.*s", t->name, what, STR_ARG(why));
    t->was_said = true;
}

YIELDS static void read_target(struct target *t)
{
    static const struct http_header accept = {
        STR_INIT("Accept"),
        STR_INIT("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4")};
    struct http_response r;
    struct http_request request = {.method = STR("GET"),
                                   .url = t->url,
                                   .headers = &accept,
                                   .header_count = 1,
                                   .timeout = TIMEOUT,
                                   .max_redirects = 5};
    size_t line;

    arena_reset(&t->net.arena);
    (void)http_send(t->client, &request, &t->net.arena, &r);
    if (r.err == ERR_CANCELLED)
        return;
    if (r.err) {
        say(t, "", r.error_long);
        return;
    }
    if (r.status != 200) {
        say(t, "the server answered ", r.status_text);
        return;
    }
    t->left_out = 0;
    if (exposition_read(r.body, take_sample, t, &line) < 0) {
        char *where = arena_printf(&t->net.arena, "%zu", line);

        say(t, "neither Prometheus text nor OpenMetrics, in line ", str_of(where));
        return;
    }
    t->read++;
}

static void read_main(void *arg)
{
    struct target *t = arg;

    read_target(t);
    t->fiber = NULL;
}

void scrape_tick(struct scrape *s, double p95)
{
    if (s->seconds == SECONDS_MAX)
        return;
    for (size_t i = 0; i < s->count; i++) {
        struct target *t = s->targets[i];

        if (t->fiber)
            continue; /* a slow one is read less often */
        t->second = s->seconds;
        t->fiber = fiber_start(s->loop, read_main, t);
    }
    s->p95[s->seconds++] = p95;
}

/* --- targets ------------------------------------------------------------------------------ */

static void free_row(void *value)
{
    struct row *row = value;

    mem_free(row->name);
    mem_free(row->values);
    mem_free(row);
}

static void free_target(struct target *t)
{
    http_client_free(t->client);
    transport_net_deinit(&t->net);
    map_deinit_with(&t->rows, free_row);
    mem_free(t->name);
    mem_free(t);
}

int scrape_add(struct scrape *s, struct str spec, struct diag *d)
{
    struct str url = spec;
    struct str name = str_cut(&url, '=');
    struct transport_options options = {.loop = s->loop, .env = s->env};
    struct http_client_options client = {
        .user_agent = STR("gale/" GALE_VERSION), .max_idle = 1, .max_body = BODY_MAX};
    struct target *t;
    int err;

    if (name.len == 0 ||
        !(str_starts_with(url, STR("http://")) || str_starts_with(url, STR("https://"))))
        return diag_set(d, ERR_INVALID,
                        "flag --scrape: '%.*s': use NAME=URL, as in shop=http://host:9090/metrics",
                        STR_ARG(spec));
    t = mem_zalloc(sizeof *t);
    err = transport_net_init(&t->net, &options, d);
    if (err) {
        mem_free(t);
        return err;
    }
    map_init(&t->rows);
    t->name = str_dup(name);
    err = url_parse(arena_str(&t->net.texts, url), &t->net.texts, &t->url, d);
    client.dialer = t->net.dialer;
    t->client = http_client_new(&client);
    if (err) {
        diag_prefix(d, "flag --scrape");
        free_target(t);
        return err;
    }
    s->targets = mem_reallocarray((void *)s->targets, s->count + 1, sizeof(struct target *));
    s->targets[s->count++] = t;
    return 0;
}

static void stop_loop(void *loop)
{
    loop_stop(loop);
}

void scrape_free(struct scrape *s)
{
    bool is_reading = false;

    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        is_reading = is_reading || s->targets[i]->fiber;
        if (s->targets[i]->fiber)
            fiber_cancel(s->targets[i]->fiber);
    }
    if (is_reading) {
        loop_when_quiet(s->loop, stop_loop, s->loop);
        loop_run(s->loop);
    }
    for (size_t i = 0; i < s->count; i++)
        free_target(s->targets[i]);
    mem_free((void *)s->targets);
    mem_free(s->p95);
    mem_free(s);
}

/* --- the table ---------------------------------------------------------------------------- */

struct line {
    const char *target;
    const char *series;
    struct correlation c;
    long onset;
};

/* What stands beside p(95): a gauge's values, a counter's increase by the second. */
static void level(const struct row *row, size_t seconds, double *out)
{
    double last = NAN;
    size_t last_at = 0;

    for (size_t i = 0; i < seconds; i++) {
        double value = i < row->count ? row->values[i] : NAN;

        out[i] = value;
        if (!row->is_cumulative || !isfinite(value))
            continue;
        out[i] = isfinite(last) && value >= last ? (value - last) / (double)(i - last_at) : NAN;
        last = value;
        last_at = i;
    }
}

static int strongest_first(const void *a, const void *b)
{
    double left = fabs(((const struct line *)a)->c.coefficient);
    double right = fabs(((const struct line *)b)->c.coefficient);

    return (left < right) - (left > right);
}

static size_t compare(const struct scrape *s, const struct target *t, double *values,
                      struct line *lines)
{
    size_t count = 0;

    for (struct map_entry *e = map_first(&t->rows); e; e = map_next(&t->rows, e)) {
        const struct row *row = e->value;
        struct correlation c;

        level(row, s->seconds, values);
        if (correlate(values, s->p95, s->seconds, &c))
            lines[count++] =
                (struct line){t->name, row->name, c, correlate_onset(values, s->seconds)};
    }
    return count;
}

static void put_line(const struct line *l, struct buf *out)
{
    if (l->c.lag == 0)
        buf_printf(out, "    %+.2f  at once      ", l->c.coefficient);
    else
        buf_printf(out, "    %+.2f  %2d s %s ", l->c.coefficient, abs(l->c.lag),
                   l->c.lag > 0 ? "before " : "after  ");
    buf_printf(out, "from %5ld s  %s: %s\n", l->onset, l->target, l->series);
}

static void put_lines(struct line *lines, size_t count, struct buf *out)
{
    double chance;
    size_t shown = 0;

    qsort(lines, count, sizeof *lines, strongest_first);
    for (size_t i = 0; i < count && shown < SHOWN_MAX; i++) {
        if (fabs(lines[i].c.coefficient) <= correlate_chance(lines[i].c.pairs, count))
            continue;
        put_line(&lines[i], out);
        shown++;
    }
    chance = count ? correlate_chance(lines[0].c.pairs, count) : 1;
    if (shown == 0)
        buf_append_c(out, "    none\n");
    buf_printf(out,
               "\n    %zu series that moved were compared; up to +-%.2f chance explains it. What "
               "moves together need not\n    be cause and effect, least of all in a short run.\n\n",
               count, chance);
}

void scrape_text(const struct scrape *s, struct buf *out)
{
    double *values = mem_calloc(s->seconds + 1, sizeof *values);
    struct line *lines = mem_calloc(s->count * SERIES_MAX + 1, sizeof *lines);
    size_t count = 0;

    buf_append_c(out, "  TARGET\n\n");
    for (size_t i = 0; i < s->count; i++) {
        const struct target *t = s->targets[i];

        buf_printf(out, "    %s: %zu series, read %zu times in %zu s", t->name, t->rows.count,
                   t->read, s->seconds);
        if (t->left_out)
            buf_printf(out, "; %zu more were left out", t->left_out);
        buf_append_char(out, '\n');
        count += compare(s, t, values, lines + count);
    }
    buf_append_c(out, "\n    What moved with p(95) of http_req_duration, and since when:\n");
    if (s->seconds < CORRELATE_SECONDS_MIN)
        buf_printf(out, "    nothing can be said of a run of %zu s: it takes %d\n\n", s->seconds,
                   CORRELATE_SECONDS_MIN);
    else
        put_lines(lines, count, out);
    mem_free(lines);
    mem_free(values);
}

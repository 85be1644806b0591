#include "output/scrape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "metrics/sink.h"
#include "output/correlate.h"
#include "output/exposition.h"
#include "output/output.h"
#include "output/scraped.h"
#include "output/transport_net.h"
#include "proto/http.h"

enum {
    SERIES_MAX = 500,   /* of a target; more are left out, and counted */
    SECONDS_MAX = 7200, /* of a run: two hours */
    BODY_MAX = 8 * 1024 * 1024,
    SHOWN_MAX = 15,
    NAME_MAX_LEN = 50,
    INTERVAL_MAX = 3600,
};
#define TIMEOUT (5 * NSEC_PER_SEC)

/* One of a target's, by the second; NAN where nothing was read. */
struct row {
    char *name; /* owned; with its labels */
    bool is_cumulative;
    double *values; /* owned */
    size_t count;
    double last;             /* of the reading before; NAN: there was none */
    struct scraped *scraped; /* for windows; owned; NULL: nobody asked */
};

struct target {
    char *name; /* owned */
    struct transport_net net;
    struct url url;
    struct http_client *client;
    struct fiber *fiber; /* NULL: nothing is being read */
    struct scrape *scrape;
    size_t interval; /* seconds */
    size_t second;   /* that it is read for */
    struct map rows; /* struct row *, owned */
    size_t left_out;
    size_t read; /* answers */
    bool was_said;
};

struct scrape {
    struct loop *loop;
    struct output_voice voice;
    struct transport_options net;
    struct target **targets; /* owned */
    size_t count;
    double *p95; /* owned */
    size_t seconds;
    void (*on_read)(void *arg, int64_t second, const char *target, const struct window *w);
    void *on_read_arg;
};

struct scrape *scrape_new(const struct output_context *context)
{
    struct scrape *s = mem_zalloc(sizeof *s);

    s->loop = context->loop;
    s->voice = context->voice;
    s->net = (struct transport_options){
        .loop = context->loop, .env = context->env, .network = context->network};
    s->p95 = mem_calloc(SECONDS_MAX, sizeof *s->p95);
    for (size_t i = 0; i < SECONDS_MAX; i++)
        s->p95[i] = NAN;
    return s;
}

void scrape_on_read(struct scrape *s,
                    void (*fn)(void *arg, int64_t second, const char *target,
                               const struct window *w),
                    void *arg)
{
    s->on_read = fn;
    s->on_read_arg = arg;
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
        row->last = NAN;
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
        output_say(&t->scrape->voice, LOG_WARN, "scrape %s: %s%.*s", t->name, what, STR_ARG(why));
    t->was_said = true;
}

/* What this reading adds to the row's series; false: nothing that could be said. */
static bool add_value(struct row *row, double value, struct sink *sink)
{
    double before = row->last;

    row->last = value;
    if (!isfinite(value) || (row->is_cumulative && !(value >= before)))
        return false; /* of a counter the first, or the one after its target began anew */
    sink_add(sink, row->is_cumulative ? value - before : value, clock_wall());
    return true;
}

static void tell(struct target *t)
{
    struct scrape *s = t->scrape;
    struct window w = {.series = mem_calloc(t->rows.count + 1, sizeof *w.series)};

    for (struct map_entry *e = map_first(&t->rows); e; e = map_next(&t->rows, e)) {
        struct row *row = e->value;
        struct window_series *to = &w.series[w.count];

        if (row->count != t->second + 1)
            continue; /* it was not there this time */
        if (!row->scraped)
            row->scraped = scraped_new(t->name, str_of(row->name), row->is_cumulative);
        to->series = &row->scraped->series;
        sink_init(&to->sink, to->series->metric->type);
        w.count += add_value(row, row->values[t->second], &to->sink);
    }
    if (w.count > 0)
        s->on_read(s->on_read_arg, (int64_t)t->second, t->name, &w);
    mem_free(w.series); /* counters and gauges own nothing */
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
    if (r.err == ERR_HTTP_BODY_LIMIT) {
        say(t, "the answer has more than 8 MB", STR(""));
        return;
    }
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
    if (t->scrape->on_read)
        tell(t);
}

static void read_main(void *arg)
{
    struct target *t = arg;

    read_target(t);
    t->fiber = NULL;
}

void scrape_tick(struct scrape *s, int64_t second)
{
    if (second < 0 || second >= SECONDS_MAX || (size_t)second < s->seconds)
        return;
    s->seconds = (size_t)second + 1;
    for (size_t i = 0; i < s->count; i++) {
        struct target *t = s->targets[i];

        if (t->fiber || (size_t)second % t->interval != 0)
            continue; /* a slow one is read less often */
        t->second = (size_t)second;
        t->fiber = fiber_start(s->loop, read_main, t);
    }
}

void scrape_note(struct scrape *s, int64_t second, double p95)
{
    if (second >= 0 && second < SECONDS_MAX)
        s->p95[second] = p95;
}

/* --- targets ------------------------------------------------------------------------------ */

static void free_row(void *value)
{
    struct row *row = value;

    scraped_free(row->scraped);
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

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-",
                    name.ptr[i]))
            return false;
    }
    return name.len > 0 && name.len <= NAME_MAX_LEN;
}

/* Takes ",interval=5s" off the URL's end. */
static int take_interval(struct str *url, size_t *out, struct diag *d)
{
    static const struct str key = STR_INIT(",interval=");
    ptrdiff_t at = str_rfind(*url, ',');
    int64_t nsec = NSEC_PER_SEC;

    if (at < 0 || !str_starts_with(str_from_index(*url, (size_t)at), key))
        at = (ptrdiff_t)url->len;
    else if (duration_parse(str_from_index(*url, (size_t)at + key.len), &nsec))
        nsec = 0;
    if (nsec < NSEC_PER_SEC || nsec > INTERVAL_MAX * NSEC_PER_SEC || nsec % NSEC_PER_SEC)
        return diag_set(d, ERR_INVALID,
                        "flag --scrape: '%.*s': an interval is of whole seconds, up to an hour: "
                        "use one like 5s",
                        STR_ARG(*url));
    *url = str_slice(*url, 0, (size_t)at);
    *out = (size_t)(nsec / NSEC_PER_SEC);
    return 0;
}

static int check_spec(const struct scrape *s, struct str spec, struct str name, struct str url,
                      struct diag *d)
{
    if (!is_name(name) ||
        !(str_starts_with(url, STR("http://")) || str_starts_with(url, STR("https://"))))
        return diag_set(d, ERR_INVALID,
                        "flag --scrape: '%.*s': use NAME=URL, as in shop=http://host:9090/metrics "
                        "(names have letters, digits, _ . and -, %d at most)",
                        STR_ARG(spec), NAME_MAX_LEN);
    for (size_t i = 0; i < s->count; i++) {
        if (str_eq_c(name, s->targets[i]->name))
            return diag_set(d, ERR_INVALID, "flag --scrape: there are two targets '%.*s'",
                            STR_ARG(name));
    }
    return 0;
}

int scrape_add(struct scrape *s, struct str spec, struct diag *d)
{
    struct str url = spec;
    struct str name = str_cut(&url, '=');
    struct http_client_options client = {
        .user_agent = STR("gale/" GALE_VERSION), .max_idle = 1, .max_body = BODY_MAX};
    struct target *t;
    size_t interval = 1;
    int err = check_spec(s, spec, name, url, d);

    if (err == 0)
        err = take_interval(&url, &interval, d);
    if (err)
        return err;
    t = mem_zalloc(sizeof *t);
    err = transport_net_init(&t->net, &s->net, d);
    if (err) {
        mem_free(t);
        return err;
    }
    map_init(&t->rows);
    t->scrape = s;
    t->interval = interval;
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

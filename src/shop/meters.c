#include "shop/meters.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static const double bounds[METER_BUCKETS] = {0.001, 0.005, 0.01, 0.025, 0.05,
                                             0.1,   0.25,  0.5,  1,     2.5};

static void record(struct meter_times *t, int64_t nsec)
{
    double seconds = nsec_to_sec(nsec);
    size_t i = 0;

    while (i < METER_BUCKETS && seconds > bounds[i])
        i++;
    t->buckets[i]++;
    t->count++;
    t->seconds += seconds;
}

void meters_request(struct meters *m, size_t route, int status, int64_t nsec)
{
    m->requests[route][status / 100 % METER_CLASSES]++;
    record(&m->times[route], nsec);
}

/* Letters, digits and - of it: it is the client's word. */
static void copy_name(struct str from, char out[32])
{
    size_t len = 0;

    for (size_t i = 0; i < from.len && len < 31; i++) {
        char c = from.ptr[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-')
            out[len++] = c;
    }
    out[len] = '\0';
    if (len == 0)
        snprintf(out, 32, "home");
}

void meters_catalogue(struct meters *m, struct str region, int64_t nsec, int is_fallback)
{
    char name[32];
    size_t i = 0;

    copy_name(region, name);
    while (i < m->replica_count && strcmp(m->replicas[i].name, name) != 0)
        i++;
    if (i == METER_REGIONS)
        i--;
    if (i == m->replica_count) {
        m->replica_count++;
        memcpy(m->replicas[i].name, i + 1 < METER_REGIONS ? name : "others", 32);
    }
    record(&m->replicas[i].times, nsec);
    m->replicas[i].fallbacks += is_fallback != 0;
}

static void put_times(struct buf *out, const char *metric, const char *label, const char *value,
                      const struct meter_times *t)
{
    uint64_t sum = 0;

    for (size_t i = 0; i <= METER_BUCKETS; i++) {
        sum += t->buckets[i];
        buf_printf(out, "%s_bucket{%s=\"%s\",le=\"", metric, label, value);
        if (i < METER_BUCKETS)
            buf_printf(out, "%g\"} %llu\n", bounds[i], (unsigned long long)sum);
        else
            buf_printf(out, "+Inf\"} %llu\n", (unsigned long long)sum);
    }
    buf_printf(out, "%s_sum{%s=\"%s\"} %.9g\n", metric, label, value, t->seconds);
    buf_printf(out, "%s_count{%s=\"%s\"} %llu\n", metric, label, value,
               (unsigned long long)t->count);
}

void meters_text(const struct meters *m, struct buf *out)
{
    buf_append_c(out, "# HELP shop_requests_total Requests answered.\n"
                      "# TYPE shop_requests_total counter\n");
    for (size_t i = 0; i < METER_ROUTES; i++) {
        for (int j = 0; j < METER_CLASSES; j++) {
            if (m->requests[i][j])
                buf_printf(out, "shop_requests_total{route=\"%s\",status=\"%dxx\"} %llu\n",
                           m->routes[i], j, (unsigned long long)m->requests[i][j]);
        }
    }
    buf_append_c(out, "# HELP shop_request_duration_seconds How long answers took.\n"
                      "# TYPE shop_request_duration_seconds histogram\n");
    for (size_t i = 0; i < METER_ROUTES; i++) {
        if (m->times[i].count)
            put_times(out, "shop_request_duration_seconds", "route", m->routes[i], &m->times[i]);
    }
    buf_append_c(out, "# HELP shop_catalogue_seconds How long the catalogue's replicas took.\n"
                      "# TYPE shop_catalogue_seconds histogram\n");
    for (size_t i = 0; i < m->replica_count; i++)
        put_times(out, "shop_catalogue_seconds", "replica", m->replicas[i].name,
                  &m->replicas[i].times);
    buf_append_c(out, "# HELP shop_catalogue_fallbacks_total Questions that a replica passed on.\n"
                      "# TYPE shop_catalogue_fallbacks_total counter\n");
    for (size_t i = 0; i < m->replica_count; i++)
        buf_printf(out, "shop_catalogue_fallbacks_total{replica=\"%s\"} %llu\n",
                   m->replicas[i].name, (unsigned long long)m->replicas[i].fallbacks);
}

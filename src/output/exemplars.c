#include "output/exemplars.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metrics/request.h"
#include "metrics/window.h"
#include "output/format.h"

enum { GROUPS_MAX = 64, PER_GROUP = 3, SHOWN_MAX = 10 };

/* The slowest requests of a series that have failed, or that have not; the slowest first. */
struct group {
    struct request_record list[PER_GROUP];
    size_t count;
};

struct exemplars {
    struct group *groups[GROUPS_MAX]; /* owned */
    size_t count;
};

struct exemplars *exemplars_new(void)
{
    return mem_zalloc(sizeof(struct exemplars));
}

void exemplars_free(struct exemplars *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->count; i++)
        mem_free(e->groups[i]);
    mem_free(e);
}

/* --- taking ------------------------------------------------------------------------------- */

/* Each worker has tags of its own for what is one series. */
static bool same_tags(const struct tags *a, const struct tags *b)
{
    if (a == b)
        return true;
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!str_eq(a->list[i].key, b->list[i].key) || !str_eq(a->list[i].value, b->list[i].value))
            return false;
    }
    return true;
}

static void insert(struct group *g, const struct request_record *r)
{
    size_t at = g->count;

    while (at > 0 && request_duration(&g->list[at - 1]) < request_duration(r))
        at--;
    if (at == PER_GROUP)
        return;
    if (g->count < PER_GROUP)
        g->count++;
    memmove(&g->list[at + 1], &g->list[at], (g->count - at - 1) * sizeof *r);
    g->list[at] = *r;
}

static void take(struct exemplars *e, const struct request_record *r)
{
    struct group *fastest = NULL;

    for (size_t i = 0; i < e->count; i++) {
        struct group *g = e->groups[i];

        if (g->list[0].failed == r->failed && same_tags(g->list[0].tags, r->tags)) {
            insert(g, r);
            return;
        }
        if (!fastest || request_duration(&g->list[0]) < request_duration(&fastest->list[0]))
            fastest = g;
    }
    if (e->count < GROUPS_MAX) {
        fastest = mem_zalloc(sizeof *fastest);
        e->groups[e->count++] = fastest;
    } else if (!fastest || request_duration(r) <= request_duration(&fastest->list[0])) {
        return;
    }
    fastest->count = 0;
    insert(fastest, r);
}

void exemplars_take(struct exemplars *e, const struct window *w)
{
    for (size_t i = 0; i < w->requests.exemplar_count; i++)
        take(e, &w->requests.exemplars[i]);
}

/* --- showing ------------------------------------------------------------------------------ */

static int slowest_first(const void *a, const void *b)
{
    int64_t left = request_duration(*(const struct request_record *const *)a);
    int64_t right = request_duration(*(const struct request_record *const *)b);

    return (left < right) - (left > right);
}

static void put_phase(struct buf *out, const char *name, int64_t nsec)
{
    if (nsec <= 0)
        return;
    buf_printf(out, " %s=", name);
    format_time(out, nsec_to_ms(nsec), TIME_AUTO);
}

static void put_link(struct buf *out, struct str link, struct str id)
{
    static const struct str mark = STR_INIT("{trace_id}");
    ptrdiff_t at;

    buf_append_c(out, "        ");
    while ((at = str_find_str(link, mark)) >= 0) {
        buf_append(out, link.ptr, (size_t)at);
        buf_append(out, id.ptr, id.len);
        link = str_from_index(link, (size_t)at + mark.len);
    }
    buf_append(out, link.ptr, link.len);
    buf_append_char(out, '\n');
}

static void put_request(struct buf *out, const struct request_record *r, struct str link)
{
    struct str region = tags_get(r->tags, STR("load_zone"));
    char id[33];
    char time[40];

    snprintf(id, sizeof id, "%016" PRIx64 "%016" PRIx64, r->trace[0], r->trace[1]);
    clock_rfc3339(r->end_wall, 3, time, sizeof time);
    buf_append_c(out, "      ");
    format_time(out, nsec_to_ms(request_duration(r)), TIME_AUTO);
    buf_printf(out, " %d %s %s %s", r->status, r->method, r->url, time);
    if (region.len)
        buf_printf(out, " %.*s", STR_ARG(region));
    buf_append_c(out, "\n       ");
    put_phase(out, "blocked", r->blocked);
    put_phase(out, "dns", r->dns);
    put_phase(out, "connecting", r->connecting);
    put_phase(out, "tls_handshaking", r->tls);
    put_phase(out, "sending", r->sending);
    put_phase(out, "waiting", r->waiting);
    put_phase(out, "receiving", r->receiving);
    buf_append_char(out, '\n');
    if (r->error[0])
        buf_printf(out, "        error: %s\n", r->error);
    if (!r->trace[0] && !r->trace[1])
        return;
    buf_printf(out, "        trace_id=%s\n", id);
    if (link.len)
        put_link(out, link, str_of(id));
}

static void put_section(const struct exemplars *e, bool failed, struct str link, struct buf *out)
{
    const struct request_record *all[GROUPS_MAX * PER_GROUP];
    size_t count = 0;

    for (size_t i = 0; i < e->count; i++) {
        for (size_t j = 0; j < e->groups[i]->count; j++) {
            if (e->groups[i]->list[j].failed == failed)
                all[count++] = &e->groups[i]->list[j];
        }
    }
    if (count == 0)
        return;
    qsort((void *)all, count, sizeof *all, slowest_first);
    buf_printf(out, "    %s\n", failed ? "failed requests" : "slowest requests");
    for (size_t i = 0; i < count && i < SHOWN_MAX; i++)
        put_request(out, all[i], link);
    buf_append_char(out, '\n');
}

void exemplars_text(const struct exemplars *e, struct str link, struct buf *out)
{
    if (e->count == 0)
        return;
    buf_append_c(out, "  EXEMPLARS\n\n");
    put_section(e, false, link, out);
    put_section(e, true, link, out);
}

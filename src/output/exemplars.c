#include "output/exemplars.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metrics/window.h"
#include "output/format.h"

enum { GROUPS_MAX = 256, PER_GROUP = 3, SHOWN_MAX = 10, REGIONS_MAX = 64 };

/* The slowest requests of a series that have failed, or that have not; the slowest first. */
struct group {
    struct exemplar list[PER_GROUP];
    size_t count;
};

/* The slowest of a span of time: of those that have not failed, and of those that have; id 0: none.
 */
struct span {
    struct exemplar slow;
    struct exemplar failed;
};

struct track {
    struct str region;
    struct span *spans; /* owned; EXEMPLAR_SPANS of them */
};

struct exemplars {
    uint64_t last_id;
    struct group *groups[GROUPS_MAX]; /* owned */
    size_t count;
    struct track tracks[REGIONS_MAX];
    size_t track_count;
    int64_t width; /* of a span, seconds */
};

struct exemplars *exemplars_new(void)
{
    struct exemplars *e = mem_zalloc(sizeof *e);

    e->width = 1;
    return e;
}

void exemplars_free(struct exemplars *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->count; i++)
        mem_free(e->groups[i]);
    for (size_t i = 0; i < e->track_count; i++)
        mem_free(e->tracks[i].spans);
    mem_free(e);
}

static int64_t duration(const struct exemplar *x)
{
    return request_duration(&x->request);
}

/* --- by series ---------------------------------------------------------------------------- */

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

static void insert(struct group *g, const struct exemplar *x)
{
    size_t at = g->count;

    while (at > 0 && duration(&g->list[at - 1]) < duration(x))
        at--;
    if (at == PER_GROUP)
        return;
    if (g->count < PER_GROUP)
        g->count++;
    memmove(&g->list[at + 1], &g->list[at], (g->count - at - 1) * sizeof *x);
    g->list[at] = *x;
}

static void take_by_series(struct exemplars *e, const struct exemplar *x)
{
    struct group *fastest = NULL;

    for (size_t i = 0; i < e->count; i++) {
        struct group *g = e->groups[i];
        const struct request_record *first = &g->list[0].request;

        if (first->failed == x->request.failed && same_tags(first->tags, x->request.tags)) {
            insert(g, x);
            return;
        }
        if (!fastest || duration(&g->list[0]) < duration(&fastest->list[0]))
            fastest = g;
    }
    if (e->count < GROUPS_MAX) {
        fastest = mem_zalloc(sizeof *fastest);
        e->groups[e->count++] = fastest;
    } else if (!fastest || duration(x) <= duration(&fastest->list[0])) {
        return;
    }
    fastest->count = 0;
    insert(fastest, x);
}

/* --- by time ------------------------------------------------------------------------------ */

static void take_slower(struct exemplar *kept, const struct exemplar *x)
{
    if (x->id != 0 && (kept->id == 0 || duration(x) > duration(kept)))
        *kept = *x;
}

/* Spans become twice as long. */
static void widen(struct exemplars *e)
{
    e->width *= 2;
    for (size_t i = 0; i < e->track_count; i++) {
        struct span *spans = e->tracks[i].spans;

        for (size_t j = 0; j < EXEMPLAR_SPANS / 2; j++) {
            struct span merged = spans[2 * j];

            take_slower(&merged.slow, &spans[2 * j + 1].slow);
            take_slower(&merged.failed, &spans[2 * j + 1].failed);
            spans[j] = merged;
        }
        memset(&spans[EXEMPLAR_SPANS / 2], 0, EXEMPLAR_SPANS / 2 * sizeof *spans);
    }
}

/* NULL: there are too many regions. */
static struct track *track_of(struct exemplars *e, struct str region)
{
    for (size_t i = 0; i < e->track_count; i++) {
        if (str_eq(e->tracks[i].region, region))
            return &e->tracks[i];
    }
    if (e->track_count == REGIONS_MAX)
        return NULL;
    e->tracks[e->track_count] =
        (struct track){region, mem_calloc(EXEMPLAR_SPANS, sizeof(struct span))};
    return &e->tracks[e->track_count++];
}

static void take_by_time(struct exemplars *e, const struct exemplar *x)
{
    struct track *track = track_of(e, tags_get(x->request.tags, STR("load_zone")));
    struct span *span;

    if (!track || x->second < 0)
        return;
    while (x->second / e->width >= EXEMPLAR_SPANS)
        widen(e);
    span = &track->spans[x->second / e->width];
    take_slower(x->request.failed ? &span->failed : &span->slow, x);
}

void exemplars_take(struct exemplars *e, const struct window *w, int64_t second)
{
    for (size_t i = 0; i < w->requests.exemplar_count; i++) {
        struct exemplar x = {++e->last_id, second, w->requests.exemplars[i]};

        take_by_series(e, &x);
        take_by_time(e, &x);
    }
}

/* --- listing ------------------------------------------------------------------------------ */

static int newest_first(const void *a, const void *b)
{
    uint64_t left = (*(const struct exemplar *const *)a)->id;
    uint64_t right = (*(const struct exemplar *const *)b)->id;

    return (left < right) - (left > right);
}

static void list_one(const struct exemplar **list, size_t *count, const struct exemplar *x)
{
    if (x->id != 0)
        list[(*count)++] = x;
}

const struct exemplar **exemplars_list(const struct exemplars *e, size_t *count)
{
    size_t most = e->count * PER_GROUP + e->track_count * EXEMPLAR_SPANS * 2;
    const struct exemplar **list = mem_calloc(most + 1, sizeof *list);
    size_t n = 0;

    for (size_t i = 0; i < e->count; i++) {
        for (size_t j = 0; j < e->groups[i]->count; j++)
            list_one(list, &n, &e->groups[i]->list[j]);
    }
    for (size_t i = 0; i < e->track_count; i++) {
        for (size_t j = 0; j < EXEMPLAR_SPANS; j++) {
            list_one(list, &n, &e->tracks[i].spans[j].slow);
            list_one(list, &n, &e->tracks[i].spans[j].failed);
        }
    }
    qsort((void *)list, n, sizeof *list, newest_first);
    *count = 0; /* one may be there by its series and by its time */
    for (size_t i = 0; i < n; i++) {
        if (*count == 0 || list[*count - 1]->id != list[i]->id)
            list[(*count)++] = list[i];
    }
    return list;
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
            if (e->groups[i]->list[j].request.failed == failed)
                all[count++] = &e->groups[i]->list[j].request;
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

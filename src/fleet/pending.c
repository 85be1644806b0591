#include "fleet/pending.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "fleet/series_book.h"

struct merged_target {
    const struct series *series; /* NULL: not worked out yet */
    uint32_t place;
};

void merged_series_init(struct merged_series *m, struct series_book *book, bool keep_instances)
{
    *m = (struct merged_series){.book = book, .keep_instances = keep_instances};
}

void merged_series_deinit(struct merged_series *m)
{
    mem_free(m->targets);
    m->targets = NULL;
}

static const struct book_series *book_series_of(const struct series *series)
{
    return (const struct book_series *)(const void *)((const char *)series -
                                                      offsetof(struct book_series, series));
}

/* The book's series without instance_id; itself where the book is full. */
static const struct series *strip(struct merged_series *m, const struct series *series)
{
    struct tags *tags;
    struct series like = *series;
    struct book_series *stripped = NULL;
    uint32_t count = 0;
    int err;

    if (m->keep_instances || !tags_get(series->tags, STR("instance_id")).ptr)
        return series;
    tags = mem_alloc(sizeof *tags + series->tags->count * sizeof(struct tag));
    for (uint32_t i = 0; i < series->tags->count; i++) {
        if (!str_eq_c(series->tags->list[i].key, "instance_id"))
            tags->list[count++] = series->tags->list[i];
    }
    tags->count = count;
    like.tags = tags;
    err = series_book_add(m->book, &like, &stripped, NULL);
    mem_free(tags);
    return err || !stripped ? series : &stripped->series;
}

static struct merged_target *slot_of(struct merged_series *m, uint32_t index)
{
    if (index >= m->count) {
        size_t count = m->count ? m->count : 256;

        while (count <= index)
            count *= 2;
        m->targets = mem_reallocarray(m->targets, count, sizeof *m->targets);
        memset(m->targets + m->count, 0, (count - m->count) * sizeof *m->targets);
        m->count = count;
    }
    return &m->targets[index];
}

static const struct merged_target *target_of(struct merged_series *m, const struct series *series)
{
    struct merged_target *target = slot_of(m, book_series_of(series)->index);
    const struct series *stripped;

    if (LIKELY(target->series))
        return target;
    stripped = strip(m, series);
    if (stripped == series) {
        *target = (struct merged_target){series, m->places++};
        return target;
    }
    /* A series without the tag is its own target. */
    target = slot_of(m, book_series_of(stripped)->index);
    if (!target->series)
        *target = (struct merged_target){stripped, m->places++};
    *slot_of(m, book_series_of(series)->index) = *target;
    return slot_of(m, book_series_of(series)->index);
}

void pending_init(struct pending *p)
{
    *p = (struct pending){0};
}

void pending_deinit(struct pending *p)
{
    for (size_t i = 0; i < p->window.count; i++)
        sink_deinit(&p->window.series[i].sink);
    mem_free(p->window.series);
    request_log_deinit(&p->window.requests);
    mem_free(p->slots);
    pending_init(p);
}

static struct window_series *append(struct pending *p, const struct series *series)
{
    struct window_series *s;

    if (p->window.count == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 64;
        p->window.series = mem_reallocarray(p->window.series, p->cap, sizeof *p->window.series);
    }
    s = &p->window.series[p->window.count++];
    s->series = series;
    sink_init(&s->sink, series->metric->type);
    return s;
}

static uint32_t *place_of(struct pending *p, uint32_t place)
{
    if (place >= p->slot_count) {
        size_t count = p->slot_count ? p->slot_count : 64;

        while (count <= place)
            count *= 2;
        p->slots = mem_reallocarray(p->slots, count, sizeof *p->slots);
        memset(p->slots + p->slot_count, 0, (count - p->slot_count) * sizeof *p->slots);
        p->slot_count = count;
    }
    return &p->slots[place];
}

static void merge_requests(struct pending *p, struct merged_series *m,
                           const struct request_log *from)
{
    for (size_t i = 0; i < from->exemplar_count; i++) {
        struct request_record r = from->exemplars[i];
        struct metric metric = {0, STR("http_req_duration"), METRIC_TREND, METRIC_TIME};
        struct book_series *series = NULL;

        if (series_book_add(m->book, &(struct series){&metric, r.tags}, &series, NULL) != 0)
            continue; /* the book is full */
        r.tags = target_of(m, &series->series)->series->tags;
        request_log_exemplar(&p->window.requests, &r);
    }
}

void pending_merge(struct pending *p, struct merged_series *m, struct window *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct merged_target *target = target_of(m, from->series[i].series);
        uint32_t *place = place_of(p, target->place);

        if (*place) {
            sink_merge(&p->window.series[*place - 1].sink, &from->series[i].sink);
            sink_deinit(&from->series[i].sink);
        } else {
            sink_move(&append(p, target->series)->sink, &from->series[i].sink);
            *place = (uint32_t)p->window.count;
        }
    }
    merge_requests(p, m, &from->requests);
}

void pending_add_gauge(struct pending *p, const struct series *series, double value,
                       int64_t wall_nsec)
{
    sink_add(&append(p, series)->sink, value, wall_nsec);
}

/* Seats are given as one gives rooms: in the order of arrival, each time the lowest that is free.
 * Two heaps, of seats that are taken (by the moment they become free) and of those that are free
 * (by number): n log n in the number of VUs' stays. */
#include "engine/plan.h"

#include <stdlib.h>

#include "base/mem.h"
#include "engine/pacer.h"

/* One VU's stay: spans near enough to be the same VU's. */
struct stay {
    size_t scenario;
    uint64_t number; /* of the scenario's VUs in this instance */
    size_t first_span;
    size_t span_count;
    int64_t from;
    int64_t until;
    uint64_t seat;
};

struct builder {
    struct stay *stays;
    size_t stay_count;
    size_t stay_cap;
    struct plan_span *spans;
    size_t span_count;
    size_t span_cap;
};

/* --- heaps -------------------------------------------------------------------------------- */

struct heap_item {
    int64_t key;
    uint64_t seat;
};

struct heap {
    struct heap_item *items; /* the lowest key first */
    size_t count;
};

static void heap_push(struct heap *h, struct heap_item item)
{
    size_t at = h->count++;

    while (at > 0 && h->items[(at - 1) / 2].key > item.key) {
        h->items[at] = h->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    h->items[at] = item;
}

static struct heap_item heap_pop(struct heap *h)
{
    struct heap_item top = h->items[0];
    struct heap_item last = h->items[--h->count];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < h->count && h->items[child + 1].key < h->items[child].key)
            child++;
        if (child >= h->count || h->items[child].key >= last.key)
            break;
        h->items[at] = h->items[child];
        at = child;
    }
    h->items[at] = last;
    return top;
}

/* --- stays -------------------------------------------------------------------------------- */

static void add_span(struct builder *b, const struct scenario *s, uint64_t number,
                     struct plan_span span)
{
    struct stay *last = b->stay_count ? &b->stays[b->stay_count - 1] : NULL;

    if (span.to <= span.from)
        return;
    if (b->span_count == b->span_cap) {
        b->span_cap = b->span_cap ? b->span_cap * 2 : 64;
        b->spans = mem_reallocarray(b->spans, b->span_cap, sizeof *b->spans);
    }
    b->spans[b->span_count++] = span;
    if (last && last->scenario == s->index && last->number == number && span.from < last->until) {
        last->span_count++;
        last->until = span.kill;
        return;
    }
    if (b->stay_count == b->stay_cap) {
        b->stay_cap = b->stay_cap ? b->stay_cap * 2 : 64;
        b->stays = mem_reallocarray(b->stays, b->stay_cap, sizeof *b->stays);
    }
    b->stays[b->stay_count++] =
        (struct stay){s->index, number, b->span_count - 1, 1, span.from, span.kill, 0};
}

static void add_ramping(struct builder *b, const struct scenario *s, const struct segment *segment,
                        uint64_t vus)
{
    struct vu_span *spans = mem_calloc(s->stage_count + 1, sizeof *spans);
    int64_t last = s->start_nsec + s->duration_nsec + s->graceful_stop_nsec;

    for (uint64_t number = 0; number < vus; number++) {
        size_t count = pacer_vu_spans(s->start_vus, s->stages, s->stage_count,
                                      segment_index(segment, number), spans, s->stage_count + 1);

        for (size_t i = 0; i < count; i++) {
            int64_t to = s->start_nsec + spans[i].to_nsec;
            int64_t kill = spans[i].ramped_down ? to + s->graceful_ramp_down_nsec : last;

            add_span(b, s, number,
                     (struct plan_span){s->start_nsec + spans[i].from_nsec, to,
                                        kill < last ? kill : last});
        }
    }
    mem_free(spans);
}

static void add_scenario(struct builder *b, const struct scenario *s, const struct segment *segment)
{
    uint64_t vus = segment_scale(segment, s->vus);
    int64_t end = s->start_nsec + s->duration_nsec;
    struct plan_span all = {s->start_nsec, end, end + s->graceful_stop_nsec};

    if (s->kind == EXECUTOR_RAMPING_VUS) {
        add_ramping(b, s, segment, vus);
        return;
    }
    for (uint64_t number = 0; number < vus; number++)
        add_span(b, s, number, all);
}

static int by_start(const void *a, const void *b)
{
    const struct stay *left = a;
    const struct stay *right = b;

    if (left->from != right->from)
        return left->from < right->from ? -1 : 1;
    if (left->scenario != right->scenario)
        return left->scenario < right->scenario ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

/* Returns how many seats it takes. */
static uint64_t give_seats(struct builder *b)
{
    struct heap taken = {mem_calloc(b->stay_count, sizeof(struct heap_item)), 0};
    struct heap free_seats = {mem_calloc(b->stay_count, sizeof(struct heap_item)), 0};
    uint64_t seats = 0;

    for (size_t i = 0; i < b->stay_count; i++) {
        struct stay *stay = &b->stays[i];

        while (taken.count && taken.items[0].key <= stay->from) {
            uint64_t seat = heap_pop(&taken).seat;

            heap_push(&free_seats, (struct heap_item){(int64_t)seat, seat});
        }
        stay->seat = free_seats.count ? heap_pop(&free_seats).seat : seats++;
        heap_push(&taken, (struct heap_item){stay->until, stay->seat});
    }
    mem_free(taken.items);
    mem_free(free_seats.items);
    return seats;
}

/* --- workers ------------------------------------------------------------------------------ */

static struct plan_part *part_of(struct plan *p, size_t scenario, size_t worker)
{
    return &p->parts[scenario * p->workers + worker];
}

/* Stays are sorted by start, so each part's tasks are too. */
static void deal_tasks(struct plan *p, const struct builder *b)
{
    for (size_t i = 0; i < b->stay_count; i++)
        part_of(p, b->stays[i].scenario, b->stays[i].seat % p->workers)->task_count++;
    for (size_t i = 0; i < p->scenarios * p->workers; i++) {
        p->parts[i].tasks = mem_calloc(p->parts[i].task_count, sizeof(struct plan_task));
        p->parts[i].task_count = 0;
    }
    for (size_t i = 0; i < b->stay_count; i++) {
        const struct stay *stay = &b->stays[i];
        struct plan_part *part = part_of(p, stay->scenario, stay->seat % p->workers);

        part->tasks[part->task_count++] = (struct plan_task){
            stay->seat, stay->number, &p->_spans[stay->first_span], stay->span_count};
    }
}

/* Weights only balance; a coarse proportion keeps the cycles of arrivals short. */
static void coarsen(uint64_t *weights, size_t count)
{
    uint64_t most = 0;

    for (size_t i = 0; i < count; i++)
        most = weights[i] > most ? weights[i] : most;
    while (most > 1024) {
        most = (most + 1) / 2;
        for (size_t i = 0; i < count; i++)
            weights[i] = (weights[i] + 1) / 2;
    }
    if (most == 0)
        weights[0] = 1; /* without any VU, somebody must count what is dropped */
}

static void deal_arrivals(struct plan *p, const struct scenario *s, const struct segment *segment)
{
    uint64_t vus = segment_scale(segment, s->vus);
    uint64_t max = segment_scale(segment, s->max_vus);
    uint64_t *weights = mem_calloc(p->workers, sizeof *weights);

    for (size_t i = 0; i < p->workers; i++) {
        uint64_t more = max > vus ? max - vus : 0;
        size_t turn = (i + p->workers - vus % p->workers) % p->workers;

        weights[i] = part_of(p, s->index, i)->task_count + more / p->workers +
                     (turn < more % p->workers ? 1 : 0);
    }
    coarsen(weights, p->workers);
    for (size_t i = 0; i < p->workers; i++) {
        struct plan_part *part = part_of(p, s->index, i);

        part->arrival_weight = weights[i];
        segment_for_arrivals(segment, s->max_vus, &part->arrivals);
        segment_nest_weighted(&part->arrivals, weights, p->workers, i);
    }
    mem_free(weights);
}

/* --- the whole ---------------------------------------------------------------------------- */

void plan_init(struct plan *p, const struct scenario_list *scenarios, const struct segment *segment,
               size_t workers)
{
    struct builder b = {0};

    for (size_t i = 0; i < scenarios->count; i++)
        add_scenario(&b, scenarios->list[i], segment);
    if (b.stay_count)
        qsort(b.stays, b.stay_count, sizeof *b.stays, by_start);
    *p = (struct plan){
        .workers = workers,
        .scenarios = scenarios->count,
        .seats = give_seats(&b),
        .parts = mem_calloc(scenarios->count * workers, sizeof *p->parts),
        ._spans = b.spans,
    };
    deal_tasks(p, &b);
    for (size_t i = 0; i < scenarios->count; i++) {
        const struct scenario *s = scenarios->list[i];

        if (s->kind == EXECUTOR_CONSTANT_ARRIVAL_RATE || s->kind == EXECUTOR_RAMPING_ARRIVAL_RATE)
            deal_arrivals(p, s, segment);
    }
    mem_free(b.stays);
}

void plan_deinit(struct plan *p)
{
    for (size_t i = 0; i < p->scenarios * p->workers; i++) {
        mem_free(p->parts[i].tasks);
        segment_deinit(&p->parts[i].arrivals);
    }
    mem_free(p->parts);
    mem_free(p->_spans);
}

const struct plan_part *plan_part(const struct plan *p, size_t scenario, size_t worker)
{
    return &p->parts[scenario * p->workers + worker];
}

uint64_t plan_worker_seats(const struct plan *p, size_t worker)
{
    return p->seats / p->workers + (worker < p->seats % p->workers ? 1 : 0);
}

uint64_t plan_iterations(const struct scenario *s, const struct segment *segment,
                         struct segment *numbering)
{
    switch (s->kind) {
    case EXECUTOR_SHARED_ITERATIONS:
        segment_by_vus(segment, s->vus, numbering);
        return segment_scale(numbering, s->iterations);
    case EXECUTOR_PER_VU_ITERATIONS:
        segment_by_vus(segment, s->vus, numbering); /* as many numbers as iterations: no gaps */
        return segment_scale(segment, s->vus) * s->iterations;
    default:
        segment_copy(numbering, segment);
        return 0;
    }
}

uint64_t plan_arrivals_before(const struct scenario *s, const struct segment *segment, int64_t nsec)
{
    struct pacer pacer;
    uint64_t low = 0;
    uint64_t high = 1;

    if (s->kind != EXECUTOR_CONSTANT_ARRIVAL_RATE && s->kind != EXECUTOR_RAMPING_ARRIVAL_RATE)
        return 0;
    nsec -= s->start_nsec;
    if (nsec > s->duration_nsec + 1)
        nsec = s->duration_nsec + 1;
    pacer_init(&pacer, s->start_rate, s->unit_nsec, s->stages, s->stage_count);
    while (pacer_due(&pacer, segment_index(segment, high)) < nsec)
        high *= 2;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (pacer_due(&pacer, segment_index(segment, middle)) < nsec)
            low = middle + 1;
        else
            high = middle;
    }
    pacer_deinit(&pacer);
    return low;
}

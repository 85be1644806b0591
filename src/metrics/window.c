#include "metrics/window.h"

#include "base/arena.h"
#include "base/mem.h"

void window_free(struct window *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->count; i++)
        sink_deinit(&w->series[i].sink);
    mem_free(w->series);
    mem_free(w->samples);
    request_log_deinit(&w->requests);
    if (w->meta)
        arena_deinit(w->meta);
    mem_free(w->meta);
    mem_free(w);
}

static const struct series *copy_series(struct arena *a, const struct series *from)
{
    struct series *series = arena_zalloc(a, sizeof *series);
    struct metric *metric = arena_zalloc(a, sizeof *metric);
    struct tags *tags =
        arena_zalloc(a, sizeof *tags + from->tags->count * sizeof *from->tags->list);

    *metric = *from->metric;
    metric->name = arena_str(a, metric->name);
    tags->count = from->tags->count;
    for (uint32_t i = 0; i < tags->count; i++) {
        tags->list[i].key = arena_str(a, from->tags->list[i].key);
        tags->list[i].value = arena_str(a, from->tags->list[i].value);
    }
    *series = (struct series){metric, tags};
    return series;
}

struct window *window_copy(const struct window *w, bool with_series)
{
    struct window *copy = mem_zalloc(sizeof *copy);

    copy->series = mem_calloc(w->count + 1, sizeof *copy->series);
    if (with_series) {
        copy->meta = mem_alloc(sizeof *copy->meta);
        arena_init(copy->meta);
    }
    for (size_t i = 0; i < w->count; i++) {
        struct window_series *to = &copy->series[i];

        to->series =
            with_series ? copy_series(copy->meta, w->series[i].series) : w->series[i].series;
        sink_init(&to->sink, w->series[i].sink.type);
        sink_merge(&to->sink, &w->series[i].sink);
    }
    copy->count = w->count;
    return copy;
}

struct str tags_get(const struct tags *tags, struct str key)
{
    for (uint32_t i = 0; i < tags->count; i++) {
        if (str_eq(tags->list[i].key, key))
            return tags->list[i].value;
    }
    return (struct str){NULL, 0};
}

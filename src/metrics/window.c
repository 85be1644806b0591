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

struct str tags_get(const struct tags *tags, struct str key)
{
    for (uint32_t i = 0; i < tags->count; i++) {
        if (str_eq(tags->list[i].key, key))
            return tags->list[i].value;
    }
    return (struct str){NULL, 0};
}

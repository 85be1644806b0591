#include "output/series.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "metrics/window.h"

void series_set_init(struct series_set *set, bool is_cumulative)
{
    *set = (struct series_set){.is_cumulative = is_cumulative};
    map_init(&set->_by_name);
    map_init(&set->_by_key);
    map_init(&set->_by_address);
}

static void free_series(struct out_series *s)
{
    sink_deinit(&s->sink);
    mem_free((void *)(uintptr_t)s->tags);
    mem_free(s->_memory);
    mem_free(s);
}

void series_set_deinit(struct series_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        for (size_t j = 0; j < set->metrics[i]->count; j++)
            free_series(set->metrics[i]->list[j]);
        mem_free((void *)set->metrics[i]->list);
        mem_free(set->metrics[i]);
    }
    mem_free((void *)set->metrics);
    map_deinit(&set->_by_name);
    map_deinit(&set->_by_key);
    map_deinit(&set->_by_address);
}

static bool counts(const struct series_set *set, struct str key)
{
    return !set->without_tags && !(set->leaves_out && set->leaves_out(key, set->leaves_out_arg));
}

/* Lengths stand before texts, so that no two series share a key. */
static void put_part(struct buf *key, struct str text)
{
    size_t len = text.len;

    buf_append(key, &len, sizeof len);
    buf_append_str(key, text);
}

/* The texts of a key come one after another; these take them out again. */
static struct str take_part(const char **at)
{
    size_t len;
    struct str part;

    memcpy(&len, *at, sizeof len);
    part = str_from(*at + sizeof len, len);
    *at += sizeof len + len;
    return part;
}

static struct out_metric *metric_of(struct series_set *set, struct str name)
{
    struct out_metric *m = map_get(&set->_by_name, name);

    if (m)
        return m;
    m = mem_zalloc(sizeof *m);
    m->name = name;
    set->metrics =
        mem_reallocarray((void *)set->metrics, set->count + 1, sizeof(struct out_metric *));
    set->metrics[set->count++] = m;
    map_set(&set->_by_name, name, m);
    return m;
}

static struct out_series *add_series(struct series_set *set, const struct metric *metric,
                                     struct str key, uint32_t tag_count)
{
    struct out_series *s = mem_zalloc(sizeof *s);
    struct tags *tags = mem_zalloc(sizeof *tags + tag_count * sizeof(struct tag));
    struct out_metric *m;
    const char *at;

    s->_memory = mem_dup(key.ptr, key.len);
    at = s->_memory;
    s->metric =
        (struct metric){.name = take_part(&at), .type = metric->type, .contains = metric->contains};
    tags->count = tag_count;
    for (uint32_t i = 0; i < tag_count; i++) {
        tags->list[i].key = take_part(&at);
        tags->list[i].value = take_part(&at);
    }
    s->tags = tags;
    sink_init(&s->sink, metric->type);
    m = metric_of(set, s->metric.name);
    m->list = mem_reallocarray((void *)m->list, m->count + 1, sizeof(struct out_series *));
    m->list[m->count++] = s;
    return s;
}

static struct out_series *find_by_key(struct series_set *set, const struct series *series)
{
    struct buf key = BUF_INIT(SIZE_MAX);
    uint32_t tag_count = 0;
    struct out_series *s;

    put_part(&key, series->metric->name);
    for (uint32_t i = 0; series->tags && i < series->tags->count; i++) {
        if (!counts(set, series->tags->list[i].key))
            continue;
        put_part(&key, series->tags->list[i].key);
        put_part(&key, series->tags->list[i].value);
        tag_count++;
    }
    s = map_get(&set->_by_key, buf_str(&key));
    if (!s) {
        s = add_series(set, series->metric, buf_str(&key), tag_count);
        map_set(&set->_by_key, buf_str(&key), s);
    }
    buf_deinit(&key);
    return s;
}

static struct out_series *find(struct series_set *set, const struct series *series)
{
    struct str address = {(const char *)&series, sizeof(const struct series *)};
    struct out_series *s = map_get(&set->_by_address, address);

    if (!s) {
        s = find_by_key(set, series);
        map_set(&set->_by_address, address, s);
    }
    return s;
}

void series_set_merge(struct series_set *set, const struct window *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct out_series *s;

        if (w->series[i].sink.is_empty)
            continue;
        s = find(set, w->series[i].series);
        sink_merge(&s->sink, &w->series[i].sink);
        s->has_news = true;
    }
}

static void forget_news(struct series_set *set, struct out_series *s)
{
    s->has_news = false;
    if (set->is_cumulative)
        return;
    sink_deinit(&s->sink);
    sink_init(&s->sink, s->metric.type);
}

void series_set_sent(struct series_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        for (size_t j = 0; j < set->metrics[i]->count; j++) {
            if (set->metrics[i]->list[j]->has_news)
                forget_news(set, set->metrics[i]->list[j]);
        }
    }
}

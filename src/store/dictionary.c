#include "store/dictionary.h"

#include <errno.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/varint.h"
#include "store/point.h"
#include "store/series.h"
#include "store/sql.h"

enum { MOST_TAGS = 64, MOST_TEXT = 16 * 1024 };

/* --- tags as bytes ------------------------------------------------------------------------ */

/* Each key and value with its length in front. */
static void put_text(struct buf *out, struct str text)
{
    varint_put(out, text.len);
    buf_append_str(out, text);
}

static void put_tags(struct buf *out, const struct tags *tags)
{
    for (uint32_t i = 0; i < tags->count; i++) {
        put_text(out, tags->list[i].key);
        put_text(out, tags->list[i].value);
    }
}

static bool get_text(struct str *in, struct str *out)
{
    uint64_t len;

    if (!varint_get(in, &len) || len > in->len)
        return false;
    *out = str_from(in->ptr, (size_t)len);
    *in = str_from_index(*in, (size_t)len);
    return true;
}

/* NULL when they are malformed. */
static struct tags *get_tags(struct arena *arena, struct str in)
{
    struct tag list[MOST_TAGS];
    struct tags *tags;
    uint32_t count = 0;

    while (in.len > 0) {
        if (count == MOST_TAGS || !get_text(&in, &list[count].key) ||
            !get_text(&in, &list[count].value))
            return NULL;
        count++;
    }
    tags = arena_alloc(arena, sizeof *tags + count * sizeof(struct tag));
    tags->count = count;
    for (uint32_t i = 0; i < count; i++) {
        tags->list[i].key = arena_str(arena, list[i].key);
        tags->list[i].value = arena_str(arena, list[i].value);
    }
    return tags;
}

/* What a series is found by: its metric's name and its tags. */
static struct str key_of(struct dictionary *dict, const struct series *series)
{
    buf_reset(&dict->_key);
    put_text(&dict->_key, series->metric->name);
    put_tags(&dict->_key, series->tags);
    return buf_str(&dict->_key);
}

/* --- filling it --------------------------------------------------------------------------- */

static struct dict_metric *new_metric(struct dictionary *dict, const struct metric *like)
{
    struct dict_metric *m = arena_zalloc(&dict->_arena, sizeof *m);

    m->metric = *like;
    m->metric.name = arena_str(&dict->_arena, like->name);
    m->metric.id = (uint32_t)dict->metric_count;
    m->adds_up = like->type == METRIC_GAUGE && point_adds_up(like->name);
    dict->metrics = mem_reallocarray((void *)dict->metrics, dict->metric_count + 1,
                                     sizeof(struct dict_metric *));
    dict->metrics[dict->metric_count++] = m;
    map_set(&dict->_by_name, m->metric.name, m);
    return m;
}

/* The next id; tags NULL: the metric's total. */
static uint32_t new_series(struct dictionary *dict, struct dict_metric *metric,
                           const struct tags *tags)
{
    uint32_t id = (uint32_t)dict->series_count;
    struct dict_series *series;

    if ((id & (id - 1)) == 0)
        dict->series = mem_reallocarray(dict->series, id ? (size_t)id * 2 : 1, sizeof *series);
    series = &dict->series[dict->series_count++];
    *series = (struct dict_series){{&metric->metric, tags}, metric};
    if (!tags)
        metric->total = id;
    else
        map_set(&dict->_by_series, key_of(dict, &series->series), (void *)(uintptr_t)(id + 1));
    return id;
}

static void new_region(struct dictionary *dict, struct str name, int64_t newest, int64_t rolled)
{
    struct dict_region *region;

    dict->regions = mem_reallocarray(dict->regions, dict->region_count + 1, sizeof *region);
    region = &dict->regions[dict->region_count++];
    *region = (struct dict_region){arena_str(&dict->_arena, name), newest, rolled, 0};
    map_set(&dict->_by_region, region->name, (void *)(uintptr_t)dict->region_count);
}

static int load_series(struct dictionary *dict, struct store *s, struct diag *d)
{
    struct sql q =
        sql(s, "SELECT metric, type, contains, tags FROM series WHERE run = ? ORDER BY id");
    int err;

    sql_int(&q, dict->run);
    while ((err = sql_row(&q, d)) > 0) {
        struct metric like = {.name = str_of(sql_get_text(&q))};
        struct dict_metric *metric = dictionary_metric(dict, like.name);
        const struct tags *tags = NULL;

        like.type = (enum metric_type)sql_get_int(&q);
        like.contains = (enum metric_contains)sql_get_int(&q);
        if (!metric)
            metric = new_metric(dict, &like);
        if (!sql_is_null(&q)) {
            tags = get_tags(&dict->_arena, sql_get_blob(&q));
            if (!tags) {
                sql_end(&q);
                return diag_set(d, -EBADMSG, "%s: the tags of a series are malformed", s->path);
            }
        }
        new_series(dict, metric, tags);
    }
    if (err == 0)
        sql_end(&q);
    return err;
}

static int load_regions(struct dictionary *dict, struct store *s, struct diag *d)
{
    struct sql q = sql(s, "SELECT name, newest, rolled FROM run_regions WHERE run = ? ORDER BY id");
    int err;

    sql_int(&q, dict->run);
    while ((err = sql_row(&q, d)) > 0) {
        struct str name = str_of(sql_get_text(&q));
        int64_t newest = sql_get_int(&q);

        new_region(dict, name, newest, sql_get_int(&q));
    }
    if (err == 0)
        sql_end(&q);
    return err;
}

int dictionary_load(struct store *s, int64_t run, struct dictionary **out, struct diag *d)
{
    struct dictionary *dict = mem_zalloc(sizeof *dict);
    int err;

    dict->run = run;
    arena_init(&dict->_arena);
    buf_init(&dict->_key, SIZE_MAX);
    err = load_series(dict, s, d);
    if (!err)
        err = load_regions(dict, s, d);
    if (err)
        dictionary_free(dict);
    else
        *out = dict;
    return err;
}

void dictionary_free(struct dictionary *dict)
{
    if (!dict)
        return;
    mem_free((void *)dict->metrics);
    mem_free(dict->series);
    mem_free(dict->regions);
    map_deinit(&dict->_by_name);
    map_deinit(&dict->_by_series);
    map_deinit(&dict->_by_region);
    arena_deinit(&dict->_arena);
    buf_deinit(&dict->_key);
    mem_free(dict);
}

/* --- looking up --------------------------------------------------------------------------- */

struct dict_metric *dictionary_metric(const struct dictionary *dict, struct str name)
{
    return map_get(&dict->_by_name, name);
}

int64_t dictionary_region(const struct dictionary *dict, struct str name)
{
    return (int64_t)(uintptr_t)map_get(&dict->_by_region, name) - 1;
}

bool dictionary_lets(const struct dict_series *series, const struct store_where *where)
{
    if (!series->series.tags)
        return false;
    if (where->metric.ptr && !str_eq(series->series.metric->name, where->metric))
        return false;
    for (size_t i = 0; i < where->tag_count; i++) {
        if (!str_eq(tags_get(series->series.tags, where->tags[i].key), where->tags[i].value))
            return false;
    }
    return true;
}

/* --- adding ------------------------------------------------------------------------------- */

static int store_series(struct dictionary *dict, struct store *s, uint32_t id, struct diag *d)
{
    const struct series *series = &dict->series[id].series;
    struct sql q = sql(s, "INSERT INTO series (run, id, metric, type, contains, tags) "
                          "VALUES (?, ?, ?, ?, ?, ?)");

    sql_int(&q, dict->run);
    sql_int(&q, id);
    sql_str(&q, series->metric->name);
    sql_int(&q, series->metric->type);
    sql_int(&q, series->metric->contains);
    buf_reset(&dict->_key);
    if (series->tags) {
        put_tags(&dict->_key, series->tags);
        sql_blob(&q, buf_str(&dict->_key));
    } else {
        sql_null(&q);
    }
    return sql_run(&q, d);
}

static int check_series(const struct dictionary *dict, const struct series *series, struct diag *d)
{
    size_t text = series->metric->name.len;

    for (uint32_t i = 0; i < series->tags->count; i++)
        text += series->tags->list[i].key.len + series->tags->list[i].value.len;
    if (series->tags->count > MOST_TAGS || text > MOST_TEXT)
        return diag_set(d, ERR_LIMIT, "a series of %.*s has more than %d tags or %d bytes of text",
                        STR_ARG(series->metric->name), MOST_TAGS, MOST_TEXT);
    if (dict->series_count + 2 > STORE_MAX_SERIES)
        return diag_set(d, ERR_LIMIT,
                        "the run has more than %d series: group URLs by the tag 'name'",
                        STORE_MAX_SERIES);
    return 0;
}

int64_t dictionary_add(struct dictionary *dict, struct store *s, const struct series *series,
                       struct diag *d)
{
    uintptr_t known = (uintptr_t)map_get(&dict->_by_series, key_of(dict, series));
    struct dict_metric *metric;
    uint32_t id;
    int err;

    if (known)
        metric = dict->series[known - 1].metric;
    else
        metric = dictionary_metric(dict, series->metric->name);
    if (metric && metric->metric.type != series->metric->type)
        return diag_set(d, ERR_INVALID, "the metric %.*s is a %s in this run, not a %s",
                        STR_ARG(metric->metric.name), metric_type_name(metric->metric.type),
                        metric_type_name(series->metric->type));
    if (known)
        return (int64_t)known - 1;
    err = check_series(dict, series, d);
    if (!err && !metric) {
        metric = new_metric(dict, series->metric);
        err = store_series(dict, s, new_series(dict, metric, NULL), d);
    }
    if (err)
        return err;
    buf_reset(&dict->_key);
    put_tags(&dict->_key, series->tags);
    id = new_series(dict, metric, get_tags(&dict->_arena, buf_str(&dict->_key)));
    err = store_series(dict, s, id, d);
    return err ? err : (int64_t)id;
}

int64_t dictionary_add_region(struct dictionary *dict, struct store *s, struct str name,
                              struct diag *d)
{
    int64_t id = dictionary_region(dict, name);
    struct sql q;
    int err;

    if (id >= 0)
        return id;
    if (dict->region_count == STORE_MAX_REGIONS)
        return diag_set(d, ERR_LIMIT, "the run has more than %d regions", STORE_MAX_REGIONS);
    new_region(dict, name, -1, 0);
    id = (int64_t)dict->region_count - 1;
    q = sql(s, "INSERT INTO run_regions (run, id, name, newest, rolled) VALUES (?, ?, ?, -1, 0)");
    sql_int(&q, dict->run);
    sql_int(&q, id);
    sql_str(&q, name);
    err = sql_run(&q, d);
    return err ? err : id;
}

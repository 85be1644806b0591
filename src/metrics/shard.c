/* Three tables, each from content to a dense id: tags, tag sets, and the memo of "this set with
 * these tags added". A sample then is an index into the set's own short list of series. */
#include "metrics/shard.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/ensure.h"
#include "base/mem.h"
#include "metrics/sink.h"
#include "metrics/window.h"

enum { DEFAULT_MAX_SERIES = 100000, MOST_TAGS = 64 };

static const char overflow_value[] = "(other)";

struct tag_entry {
    struct tag tag;
    uint64_t hash;
};

struct live_series {
    struct series series;
    struct sink sink;
    bool touched; /* since the last window */
};

struct tagset {
    struct tags *tags;
    tag_id *ids; /* the same tags by id, in the order of tags->list */
    uint64_t hash;
    struct live_series **series; /* those that samples were added to */
    uint32_t series_count;
};

struct memo {
    tagset_id base;
    uint32_t count;
    const tag_id *tags;
    tagset_id result;
    uint64_t hash;
};

/* Open addressing: slots hold index plus 1 into an array of the caller's. */
struct index {
    uint32_t *slots;
    size_t size;
    size_t used;
};

struct shard {
    struct metric_registry registry;
    struct arena arena; /* strings and sets: they live as long as the shard */
    uint32_t max_series;
    bool keep_samples;
    bool keep_spans;
    bool keep_exemplars;
    bool overflowed;
    bool overflow_said;

    struct tag_entry *tags;
    uint32_t tag_count;
    struct index tag_index;

    struct tagset *sets;
    uint32_t set_count;
    struct index set_index;

    struct memo *memos;
    uint32_t memo_count;
    struct index memo_index;

    uint32_t series_count;
    struct live_series **touched;
    size_t touched_count;
    size_t touched_cap;

    const struct tags *meta;
    struct request_log requests;
    struct arena *meta_arena; /* owned: of shard_add_meta, for this window; NULL: not needed yet */
    struct sample *samples;
    size_t sample_count;
    size_t sample_cap;
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

/* --- indexes ------------------------------------------------------------------------------ */

static void index_put(struct index *index, uint64_t hash, uint32_t item)
{
    size_t at = hash & (index->size - 1);

    while (index->slots[at])
        at = (at + 1) & (index->size - 1);
    index->slots[at] = item + 1;
    index->used++;
}

/* Doubles the table when it is half full; hash_of gives an item's hash again. */
static void index_grow(struct index *index, struct shard *s,
                       uint64_t (*hash_of)(const struct shard *s, uint32_t item))
{
    struct index old = *index;

    if (old.size && old.used * 2 < old.size)
        return;
    index->size = old.size ? old.size * 2 : 256;
    index->used = 0;
    index->slots = mem_calloc(index->size, sizeof *index->slots);
    for (size_t i = 0; i < old.size; i++) {
        if (old.slots[i])
            index_put(index, hash_of(s, old.slots[i] - 1), old.slots[i] - 1);
    }
    mem_free(old.slots);
}

static uint64_t tag_hash(const struct shard *s, uint32_t item)
{
    return s->tags[item].hash;
}

static uint64_t set_hash(const struct shard *s, uint32_t item)
{
    return s->sets[item].hash;
}

static uint64_t memo_hash(const struct shard *s, uint32_t item)
{
    return s->memos[item].hash;
}

/* Makes room for one more element behind `count`: capacities are powers of two. */
static void *grow(void *array, uint32_t count, size_t size)
{
    if (count & (count - 1))
        return array;
    return mem_reallocarray(array, count ? (size_t)count * 2 : 1, size);
}

/* --- tags --------------------------------------------------------------------------------- */

tag_id shard_tag(struct shard *s, struct str key, struct str value)
{
    uint64_t hash = mix(str_hash(key), str_hash(value));
    size_t at;

    index_grow(&s->tag_index, s, tag_hash);
    for (at = hash & (s->tag_index.size - 1); s->tag_index.slots[at];
         at = (at + 1) & (s->tag_index.size - 1)) {
        const struct tag_entry *e = &s->tags[s->tag_index.slots[at] - 1];

        if (e->hash == hash && str_eq(e->tag.key, key) && str_eq(e->tag.value, value))
            return s->tag_index.slots[at] - 1;
    }
    s->tags = grow(s->tags, s->tag_count, sizeof *s->tags);
    s->tags[s->tag_count] =
        (struct tag_entry){{arena_str(&s->arena, key), arena_str(&s->arena, value)}, hash};
    index_put(&s->tag_index, hash, s->tag_count);
    return s->tag_count++;
}

/* --- tag sets ----------------------------------------------------------------------------- */

static uint64_t ids_hash(const tag_id *ids, uint32_t count, uint64_t seed)
{
    uint64_t hash = mix(seed, count);

    for (uint32_t i = 0; i < count; i++)
        hash = mix(hash, ids[i]);
    return mix(hash, hash >> 32);
}

/* The set of exactly these ids, which are sorted by key. */
static tagset_id intern_set(struct shard *s, const tag_id *ids, uint32_t count)
{
    uint64_t hash = ids_hash(ids, count, 1);
    struct tagset *set;
    size_t at;

    index_grow(&s->set_index, s, set_hash);
    for (at = hash & (s->set_index.size - 1); s->set_index.slots[at];
         at = (at + 1) & (s->set_index.size - 1)) {
        set = &s->sets[s->set_index.slots[at] - 1];
        if (set->hash == hash && set->tags->count == count &&
            (count == 0 || memcmp(set->ids, ids, count * sizeof *ids) == 0))
            return s->set_index.slots[at] - 1;
    }
    s->sets = grow(s->sets, s->set_count, sizeof *s->sets);
    set = &s->sets[s->set_count];
    *set = (struct tagset){.hash = hash};
    set->tags = arena_alloc(&s->arena, sizeof *set->tags + count * sizeof(struct tag));
    set->ids = arena_alloc(&s->arena, (count + 1) * sizeof *ids);
    set->tags->count = count;
    for (uint32_t i = 0; i < count; i++) {
        set->ids[i] = ids[i];
        set->tags->list[i] = s->tags[ids[i]].tag;
    }
    index_put(&s->set_index, hash, s->set_count);
    return s->set_count++;
}

/* Inserts or replaces one tag in a sorted list. */
static uint32_t insert_tag(const struct shard *s, tag_id *ids, uint32_t count, tag_id tag)
{
    struct str key = s->tags[tag].tag.key;
    uint32_t at = 0;

    while (at < count && str_cmp(s->tags[ids[at]].tag.key, key) < 0)
        at++;
    if (at < count && str_eq(s->tags[ids[at]].tag.key, key)) {
        ids[at] = tag;
        return count;
    }
    if (count == MOST_TAGS)
        return count;
    memmove(ids + at + 1, ids + at, (count - at) * sizeof *ids);
    ids[at] = tag;
    return count + 1;
}

/* Past the limit of series, a set that would be new gets "(other)" for its url and name. */
static void fold(struct shard *s, tag_id *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct str key = s->tags[ids[i]].tag.key;

        if (str_eq_c(key, "url") || str_eq_c(key, "name"))
            ids[i] = shard_tag(s, key, str_of(overflow_value));
    }
    s->overflowed = true;
}

static tagset_id build_set(struct shard *s, tagset_id base, const tag_id *tags, size_t added)
{
    tag_id ids[MOST_TAGS + 1];
    uint32_t count = s->sets[base].tags->count;

    if (count)
        memcpy(ids, s->sets[base].ids, count * sizeof *ids);
    for (size_t i = 0; i < added; i++)
        count = insert_tag(s, ids, count, tags[i]);
    if (s->series_count >= s->max_series)
        fold(s, ids, count);
    return intern_set(s, ids, count);
}

tagset_id shard_tagset(struct shard *s, tagset_id base, const tag_id *tags, size_t count)
{
    uint64_t hash = ids_hash(tags, (uint32_t)count, (uint64_t)base + 2);
    tagset_id result;
    size_t at;

    if (count == 0)
        return base;
    index_grow(&s->memo_index, s, memo_hash);
    for (at = hash & (s->memo_index.size - 1); s->memo_index.slots[at];
         at = (at + 1) & (s->memo_index.size - 1)) {
        const struct memo *memo = &s->memos[s->memo_index.slots[at] - 1];

        if (memo->hash == hash && memo->base == base && memo->count == count &&
            memcmp(memo->tags, tags, count * sizeof *tags) == 0)
            return memo->result;
    }
    result = build_set(s, base, tags, count);
    if (s->series_count >= s->max_series)
        return result; /* the memo would grow with each new url */
    s->memos = grow(s->memos, s->memo_count, sizeof *s->memos);
    s->memos[s->memo_count] = (struct memo){
        base, (uint32_t)count,
        memcpy(arena_alloc(&s->arena, count * sizeof *tags), tags, count * sizeof *tags), result,
        hash};
    index_put(&s->memo_index, hash, s->memo_count++);
    return result;
}

tagset_id shard_tagset_without(struct shard *s, tagset_id base, struct str key)
{
    tag_id ids[MOST_TAGS];
    const struct tagset *set = &s->sets[base];
    uint32_t count = 0;

    for (uint32_t i = 0; i < set->tags->count; i++) {
        if (!str_eq(set->tags->list[i].key, key))
            ids[count++] = set->ids[i];
    }
    return intern_set(s, ids, count);
}

struct str shard_tagset_get(const struct shard *s, tagset_id set, struct str key)
{
    return tags_get(s->sets[set].tags, key);
}

void shard_tagset_each(const struct shard *s, tagset_id set,
                       void (*fn)(void *arg, struct str key, struct str value), void *arg)
{
    const struct tags *tags = s->sets[set].tags;

    for (uint32_t i = 0; i < tags->count; i++)
        fn(arg, tags->list[i].key, tags->list[i].value);
}

/* --- samples ------------------------------------------------------------------------------ */

static struct live_series *new_series(struct shard *s, struct tagset *set, uint32_t metric)
{
    struct live_series *live = mem_zalloc(sizeof *live);

    ensure(metric < s->registry.count);
    live->series = (struct series){s->registry.metrics[metric], set->tags};
    sink_init(&live->sink, live->series.metric->type);
    set->series = grow((void *)set->series, set->series_count, sizeof *set->series);
    set->series[set->series_count++] = live;
    s->series_count++;
    return live;
}

static void touch(struct shard *s, struct live_series *live)
{
    live->touched = true;
    if (s->touched_count == s->touched_cap) {
        s->touched_cap = s->touched_cap ? s->touched_cap * 2 : 64;
        s->touched =
            mem_reallocarray((void *)s->touched, s->touched_cap, sizeof(struct live_series *));
    }
    s->touched[s->touched_count++] = live;
}

static void keep_sample(struct shard *s, const struct live_series *live, double value,
                        int64_t wall_nsec)
{
    if (s->sample_count == s->sample_cap) {
        s->sample_cap = s->sample_cap ? s->sample_cap * 2 : 1024;
        s->samples = mem_reallocarray(s->samples, s->sample_cap, sizeof *s->samples);
    }
    s->samples[s->sample_count++] = (struct sample){&live->series, s->meta, wall_nsec, value};
}

void shard_add(struct shard *s, uint32_t metric, tagset_id tags, double value, int64_t wall_nsec)
{
    struct tagset *set = &s->sets[tags];
    struct live_series *live = NULL;

    for (uint32_t i = 0; i < set->series_count; i++) {
        if (set->series[i]->series.metric->id == metric) {
            live = set->series[i];
            break;
        }
    }
    if (UNLIKELY(!live))
        live = new_series(s, set, metric);
    if (UNLIKELY(!live->touched))
        touch(s, live);
    sink_add(&live->sink, value, wall_nsec);
    if (s->keep_samples)
        keep_sample(s, live, value, wall_nsec);
}

void shard_set_meta(struct shard *s, const tag_id *pairs, size_t count)
{
    tagset_id set = shard_tagset(s, 0, pairs, count); /* may move the sets */

    s->meta = count ? s->sets[set].tags : NULL;
}

void shard_add_meta(struct shard *s, struct str key, struct str value)
{
    const struct tags *base = s->meta;
    uint32_t count = base ? base->count : 0;
    struct tags *all;
    uint32_t to = 0;

    if (!s->keep_samples)
        return;
    if (!s->meta_arena) {
        s->meta_arena = mem_zalloc(sizeof *s->meta_arena);
        arena_init(s->meta_arena);
    }
    all = arena_alloc(s->meta_arena, sizeof *all + (count + 1) * sizeof(struct tag));
    for (uint32_t i = 0; i < count && str_cmp(base->list[i].key, key) < 0; i++)
        all->list[to++] = base->list[i];
    all->list[to] = (struct tag){arena_str(s->meta_arena, key), arena_str(s->meta_arena, value)};
    for (uint32_t i = to++; i < count; i++) {
        if (!str_eq(base->list[i].key, key))
            all->list[to++] = base->list[i];
    }
    all->count = to;
    s->meta = all;
}

bool shard_wants_request(const struct shard *s, tagset_id tags, bool failed, bool sampled,
                         int64_t duration)
{
    return (s->keep_spans && sampled) ||
           (s->keep_exemplars &&
            request_log_wants(&s->requests, s->sets[tags].tags, failed, duration));
}

void shard_add_request(struct shard *s, tagset_id tags, struct request_record *r)
{
    r->tags = s->sets[tags].tags;
    if (s->keep_exemplars && !r->is_no_exemplar)
        request_log_exemplar(&s->requests, r);
    if (s->keep_spans && r->sampled)
        request_log_span(&s->requests, r);
}

struct window *shard_take_window(struct shard *s)
{
    struct window *w = mem_zalloc(sizeof *w);

    w->series = mem_calloc(s->touched_count, sizeof *w->series);
    w->count = s->touched_count;
    for (size_t i = 0; i < s->touched_count; i++) {
        struct live_series *live = s->touched[i];

        w->series[i].series = &live->series;
        sink_move(&w->series[i].sink, &live->sink);
        live->touched = false;
    }
    s->touched_count = 0;
    w->samples = s->samples;
    w->sample_count = s->sample_count;
    w->requests = s->requests;
    s->requests = (struct request_log){0};
    w->meta = s->meta_arena;
    s->meta_arena = NULL;
    s->samples = NULL;
    s->sample_count = 0;
    s->sample_cap = 0;
    return w;
}

bool shard_overflowed(struct shard *s)
{
    bool first = s->overflowed && !s->overflow_said;

    s->overflow_said |= s->overflowed;
    return first;
}

/* --- life --------------------------------------------------------------------------------- */

struct shard *shard_new(const struct shard_options *options)
{
    struct shard *s = mem_zalloc(sizeof *s);

    metric_registry_init(&s->registry);
    arena_init(&s->arena);
    s->max_series = options->max_series ? options->max_series : DEFAULT_MAX_SERIES;
    s->keep_samples = options->keep_samples;
    s->keep_spans = options->keep_spans;
    s->keep_exemplars = options->keep_exemplars;
    ensure(intern_set(s, NULL, 0) == 0);
    return s;
}

static void free_set(struct tagset *set)
{
    for (uint32_t i = 0; i < set->series_count; i++) {
        sink_deinit(&set->series[i]->sink);
        mem_free(set->series[i]);
    }
    mem_free((void *)set->series);
}

void shard_free(struct shard *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->set_count; i++)
        free_set(&s->sets[i]);
    mem_free(s->sets);
    mem_free(s->tags);
    mem_free(s->memos);
    mem_free(s->tag_index.slots);
    mem_free(s->set_index.slots);
    mem_free(s->memo_index.slots);
    mem_free((void *)s->touched);
    mem_free(s->samples);
    request_log_deinit(&s->requests);
    if (s->meta_arena)
        arena_deinit(s->meta_arena);
    mem_free(s->meta_arena);
    arena_deinit(&s->arena);
    metric_registry_deinit(&s->registry);
    mem_free(s);
}

struct metric_registry *shard_registry(struct shard *s)
{
    return &s->registry;
}

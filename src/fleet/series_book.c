#include "fleet/series_book.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"

/* Of texts together, for each series that the book may have. */
enum { TEXT_BYTES_PER_SERIES = 256 };

struct book_set {
    struct tags *tags;
    uint32_t *ids;
    struct book_series **series; /* those of this tag set, one a metric; owned */
    uint32_t count;
};

struct series_book {
    struct arena arena; /* texts, sets and series */
    struct metric_registry registry;
    struct map texts; /* text → struct book_text; never shrinks: an entry's place is its id */
    struct map sets;  /* ids of the texts, as bytes → struct book_set */
    uint32_t max_series;
    uint32_t series_count;
    uint64_t text_bytes;
    uint64_t folded;
};

/* --- life --------------------------------------------------------------------------------- */

struct series_book *series_book_new(uint32_t max_series)
{
    struct series_book *book = mem_zalloc(sizeof *book);

    arena_init(&book->arena);
    metric_registry_init(&book->registry);
    map_init(&book->texts);
    map_init(&book->sets);
    book->max_series = max_series ? max_series : SERIES_BOOK_DEFAULT;
    return book;
}

static void free_set(void *value)
{
    struct book_set *set = value;

    mem_free((void *)set->series);
}

void series_book_free(struct series_book *book)
{
    if (!book)
        return;
    map_deinit_with(&book->sets, free_set);
    map_deinit(&book->texts);
    metric_registry_deinit(&book->registry);
    arena_deinit(&book->arena);
    mem_free(book);
}

uint32_t series_book_count(const struct series_book *book)
{
    return book->series_count;
}

uint32_t series_book_texts(const struct series_book *book)
{
    return (uint32_t)book->texts.used;
}

uint64_t series_book_folded(const struct series_book *book)
{
    return book->folded;
}

/* --- looking up --------------------------------------------------------------------------- */

struct book_text *series_book_text(const struct series_book *book, struct str text)
{
    return map_get(&book->texts, text);
}

struct str series_book_text_at(const struct series_book *book, uint32_t id)
{
    return book->texts.entries[id].key;
}

static struct str set_key(const uint32_t *ids, uint32_t tag_count)
{
    return str_from((const char *)ids, (size_t)tag_count * 2 * sizeof *ids);
}

static struct book_series *series_of(const struct book_set *set, const struct metric *metric)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->series[i]->series.metric == metric)
            return set->series[i];
    }
    return NULL;
}

struct book_series *series_book_find(const struct series_book *book, const struct metric *metric,
                                     const uint32_t *tags, uint32_t tag_count)
{
    const struct book_set *set = map_get(&book->sets, set_key(tags, tag_count));

    return set ? series_of(set, metric) : NULL;
}

/* --- adding ------------------------------------------------------------------------------- */

static int check_tags(const struct tags *tags, struct diag *d)
{
    if (tags->count > SERIES_MOST_TAGS)
        return diag_set(d, ERR_SYNTAX, "a series with %u tags: %d are the most", tags->count,
                        SERIES_MOST_TAGS);
    for (uint32_t i = 1; i < tags->count; i++) {
        if (str_cmp(tags->list[i - 1].key, tags->list[i].key) >= 0)
            return diag_set(d, ERR_SYNTAX, "a series' tags aren't sorted by key");
    }
    return 0;
}

static struct book_text *intern_text(struct series_book *book, struct str text)
{
    struct book_text *t = series_book_text(book, text);

    if (t)
        return t;
    t = arena_zalloc(&book->arena, sizeof *t);
    t->id = (uint32_t)book->texts.used;
    map_set(&book->texts, text, t);
    t->text = series_book_text_at(book, t->id);
    book->text_bytes += text.len;
    return t;
}

static struct book_set *intern_set(struct series_book *book, const struct tags *tags)
{
    uint32_t ids[2 * SERIES_MOST_TAGS];
    struct book_set *set;

    for (uint32_t i = 0; i < tags->count; i++) {
        ids[(size_t)2 * i] = intern_text(book, tags->list[i].key)->id;
        ids[(size_t)2 * i + 1] = intern_text(book, tags->list[i].value)->id;
    }
    set = map_get(&book->sets, set_key(ids, tags->count));
    if (set)
        return set;
    set = arena_zalloc(&book->arena, sizeof *set);
    set->tags = arena_alloc(&book->arena, sizeof *set->tags + tags->count * sizeof(struct tag));
    set->tags->count = tags->count;
    set->ids = arena_alloc(&book->arena, (size_t)tags->count * 2 * sizeof *ids);
    for (uint32_t i = 0; i < tags->count; i++) {
        set->ids[(size_t)2 * i] = ids[(size_t)2 * i];
        set->ids[(size_t)2 * i + 1] = ids[(size_t)2 * i + 1];
        set->tags->list[i] = (struct tag){series_book_text_at(book, ids[(size_t)2 * i]),
                                          series_book_text_at(book, ids[(size_t)2 * i + 1])};
    }
    map_set(&book->sets, set_key(ids, tags->count), set);
    return set;
}

static bool is_full(const struct series_book *book)
{
    return book->series_count >= book->max_series ||
           book->text_bytes >= (uint64_t)book->max_series * TEXT_BYTES_PER_SERIES;
}

/* A copy with what has many values replaced. */
static struct tags *fold(const struct tags *tags)
{
    struct tags *folded = mem_dup(tags, sizeof *tags + tags->count * sizeof(struct tag));

    for (uint32_t i = 0; i < tags->count; i++) {
        if (str_eq_c(tags->list[i].key, "url") || str_eq_c(tags->list[i].key, "name"))
            folded->list[i].value = STR("(other)");
    }
    return folded;
}

static bool is_known(const struct series_book *book, const struct series *like,
                     struct book_series **out)
{
    uint32_t ids[2 * SERIES_MOST_TAGS];
    const struct metric *metric = metric_registry_find(&book->registry, like->metric->name);

    for (uint32_t i = 0; i < like->tags->count; i++) {
        const struct book_text *key = series_book_text(book, like->tags->list[i].key);
        const struct book_text *value = series_book_text(book, like->tags->list[i].value);

        if (!key || !value)
            return false;
        ids[(size_t)2 * i] = key->id;
        ids[(size_t)2 * i + 1] = value->id;
    }
    if (!metric || metric->type != like->metric->type)
        return false;
    *out = series_book_find(book, metric, ids, like->tags->count);
    return *out != NULL;
}

static struct book_series *new_series(struct series_book *book, struct book_set *set,
                                      const struct metric *metric)
{
    struct book_series *s = arena_alloc(&book->arena, sizeof *s);
    struct book_text *name = intern_text(book, metric->name);

    name->metric = metric;
    *s = (struct book_series){{metric, set->tags}, book->series_count++, name->id, set->ids};
    set->series = mem_reallocarray((void *)set->series, set->count + 1, sizeof *set->series);
    set->series[set->count++] = s;
    return s;
}

static int add_new(struct series_book *book, const struct series *like, struct book_series **out,
                   struct diag *d)
{
    const struct metric *metric = like->metric;
    int err;

    if (book->series_count >= book->max_series + book->max_series / 4)
        return diag_set(d, ERR_LIMIT,
                        "more than %u series: each value of a tag makes one; give requests with "
                        "many URLs one tag `name`, or take tags out of systemTags",
                        book->max_series);
    err = metric_registry_add(&book->registry, metric->name, metric->type, metric->contains,
                              &metric, d);
    if (err)
        return err;
    *out = new_series(book, intern_set(book, like->tags), metric);
    return 0;
}

int series_book_add(struct series_book *book, const struct series *like, struct book_series **out,
                    struct diag *d)
{
    struct series folded = *like;
    struct tags *tags;
    int err = check_tags(like->tags, d);

    if (err || is_known(book, like, out))
        return err;
    if (!is_full(book))
        return add_new(book, like, out, d);
    tags = fold(like->tags);
    folded.tags = tags;
    book->folded++;
    if (!is_known(book, &folded, out))
        err = add_new(book, &folded, out, d);
    mem_free(tags);
    return err;
}

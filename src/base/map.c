#include "base/map.h"

#include "base/mem.h"

enum { EMPTY = 0 }; /* an index slot holds the entry's number plus 1 */

void map_init(struct map *m)
{
    *m = (struct map)MAP_INIT;
}

void map_deinit_with(struct map *m, void (*free_value)(void *value))
{
    for (size_t i = 0; i < m->used; i++) {
        struct map_entry *e = &m->entries[i];

        if (!e->key.ptr)
            continue;
        mem_free((void *)(uintptr_t)e->key.ptr);
        if (free_value)
            free_value(e->value);
    }
    mem_free(m->entries);
    mem_free(m->_index);
    map_init(m);
}

void map_deinit(struct map *m)
{
    map_deinit_with(m, NULL);
}

static void index_insert(struct map *m, size_t entry)
{
    size_t mask = m->_index_size - 1;
    size_t at = m->entries[entry]._hash & mask;

    while (m->_index[at] != EMPTY)
        at = (at + 1) & mask;
    m->_index[at] = (uint32_t)(entry + 1);
}

/* Drops removed entries and rebuilds the index for at least `count` entries. */
static void rebuild(struct map *m, size_t count)
{
    size_t size = 8;
    size_t live = 0;

    while (size < count * 2)
        size *= 2;
    for (size_t i = 0; i < m->used; i++) {
        if (m->entries[i].key.ptr)
            m->entries[live++] = m->entries[i];
    }
    m->used = live;
    mem_free(m->_index);
    m->_index = mem_calloc(size, sizeof *m->_index);
    m->_index_size = size;
    for (size_t i = 0; i < m->used; i++)
        index_insert(m, i);
}

static struct map_entry *lookup(const struct map *m, struct str key, uint64_t hash)
{
    size_t mask = m->_index_size - 1;

    if (m->_index_size == 0)
        return NULL;
    for (size_t at = hash & mask; m->_index[at] != EMPTY; at = (at + 1) & mask) {
        struct map_entry *e = &m->entries[m->_index[at] - 1];

        if (e->_hash == hash && e->key.ptr && str_eq(e->key, key))
            return e;
    }
    return NULL;
}

void *map_get(const struct map *m, struct str key)
{
    struct map_entry *e = lookup(m, key, str_hash(key));

    return e ? e->value : NULL;
}

bool map_has(const struct map *m, struct str key)
{
    return lookup(m, key, str_hash(key)) != NULL;
}

void *map_set(struct map *m, struct str key, void *value)
{
    uint64_t hash = str_hash(key);
    struct map_entry *e = lookup(m, key, hash);

    if (e) {
        void *old = e->value;

        e->value = value;
        return old;
    }
    if ((m->used + 1) * 2 > m->_index_size)
        rebuild(m, (m->count + 1) * 2);
    if (m->used == m->_cap) {
        m->_cap = m->_cap ? m->_cap * 2 : 8;
        m->entries = mem_reallocarray(m->entries, m->_cap, sizeof *m->entries);
    }
    m->entries[m->used] =
        (struct map_entry){str_from(mem_strndup(key.ptr, key.len), key.len), value, hash};
    index_insert(m, m->used++);
    m->count++;
    return NULL;
}

void *map_remove(struct map *m, struct str key)
{
    struct map_entry *e = lookup(m, key, str_hash(key));

    if (!e)
        return NULL;
    mem_free((void *)(uintptr_t)e->key.ptr);
    e->key = (struct str){NULL, 0};
    m->count--;
    return e->value;
}

static struct map_entry *next_live(const struct map *m, size_t from)
{
    for (size_t i = from; i < m->used; i++) {
        if (m->entries[i].key.ptr)
            return &m->entries[i];
    }
    return NULL;
}

struct map_entry *map_first(const struct map *m)
{
    return next_live(m, 0);
}

struct map_entry *map_next(const struct map *m, const struct map_entry *e)
{
    return next_live(m, (size_t)(e - m->entries) + 1);
}

/* A hash map from text to a pointer, iterated in insertion order.
 *
 * Keys are copied; values belong to the caller (map_deinit_with frees them by a function).
 * Open addressing over an index table, entries in one array: iteration is a walk of that array. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct map_entry {
    struct str key; /* NUL-terminated; key.ptr NULL: removed */
    void *value;
    uint64_t _hash;
};

struct map {
    struct map_entry *entries; /* `used` of them, removed ones among them */
    size_t used;
    size_t count; /* live entries */
    uint32_t *_index;
    size_t _index_size; /* a power of two, or 0 */
    size_t _cap;
};

void map_init(struct map *m);
#define MAP_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, 0, NULL, 0, 0                                                                     \
    }
void map_deinit(struct map *m);
void map_deinit_with(struct map *m, void (*free_value)(void *value));

/* The value, or NULL. */
void *map_get(const struct map *m, struct str key);
bool map_has(const struct map *m, struct str key);

/* Sets the value; returns the one that it replaces, or NULL. */
void *map_set(struct map *m, struct str key, void *value);

/* Removes the key; returns its value, or NULL. */
void *map_remove(struct map *m, struct str key);

/* for (struct map_entry *e = map_first(m); e; e = map_next(m, e)): insertion order. Removing the
 * current entry is allowed, adding is not. */
struct map_entry *map_first(const struct map *m);
struct map_entry *map_next(const struct map *m, const struct map_entry *e);

#endif

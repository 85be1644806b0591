/* Source maps (ECMA-426): from a place in generated JavaScript back to the file somebody wrote. */
#ifndef SCRIPT_SOURCE_MAP_H
#define SCRIPT_SOURCE_MAP_H

#include "base/compiler.h"
#include "base/str.h"

struct source_map;

/* Reads a map of version 3 ("sections" are not supported) that belongs to the script at the URL
 * `base`. NULL: it is none. */
struct source_map *source_map_parse(struct str json, struct str base);
void source_map_free(struct source_map *map); /* NULL is allowed */

/* What the last `//# sourceMappingURL=` line of a script says; empty: nothing. */
struct str source_map_url(struct str script);

/* The map inside a data: URL; NULL: it is none, or not of a kind that is understood. */
struct source_map *source_map_of_data_url(struct str url, struct str base);

struct source_place {
    struct str url; /* lives as long as the map */
    int line;       /* from 1 */
    int column;     /* from 1 */
};

/* The place that the one at or before line, column (from 1) came from. False: unknown. */
bool source_map_find(const struct source_map *map, int line, int column, struct source_place *out);

#endif

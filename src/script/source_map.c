#include "script/source_map.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/mem.h"
#include "script/files.h"

/* From `line`, `column` of the generated text on; all from 0. */
struct segment {
    int32_t line;
    int32_t column;
    int32_t source; /* -1: from nowhere */
    int32_t source_line;
    int32_t source_column;
};

struct source_map {
    char **sources; /* their URLs */
    size_t source_count;
    struct segment *segments;
    size_t count;
    size_t room;
};

/* --- base 64 VLQ -------------------------------------------------------------------------- */

/* Reads one number from the front; false: there is none, or it does not fit 31 bits. */
static bool read_vlq(struct str *in, int32_t *out)
{
    enum { CONTINUES = 32, DATA = 31, BITS = 5, SHIFT_MAX = 30 };
    uint64_t value = 0;
    int shift = 0;
    int digit;

    do {
        if (in->len == 0 || shift > SHIFT_MAX || (digit = base64_digit(*in->ptr)) < 0)
            return false;
        *in = str_from_index(*in, 1);
        value |= (uint64_t)(digit & DATA) << shift;
        shift += BITS;
    } while (digit & CONTINUES);
    if (value >> 1 > INT32_MAX)
        return false;
    *out = value & 1 ? -(int32_t)(value >> 1) : (int32_t)(value >> 1);
    return true;
}

static bool add_to(int32_t *sum, int32_t delta)
{
    int64_t next = (int64_t)*sum + delta;

    if (next < 0 || next > INT32_MAX)
        return false;
    *sum = (int32_t)next;
    return true;
}

/* --- parsing ------------------------------------------------------------------------------ */

static void add_segment(struct source_map *map, const struct segment *s)
{
    if (map->count == map->room) {
        map->room = map->room ? map->room * 2 : 64;
        map->segments = mem_reallocarray(map->segments, map->room, sizeof *map->segments);
    }
    map->segments[map->count++] = *s;
}

/* One segment: the generated column, and unless it is from nowhere its source, line, column, and
 * perhaps a name; each but the column relative to the one before. */
static bool read_segment(struct source_map *map, struct str text, struct segment *state)
{
    int32_t delta;
    struct segment segment;

    if (!read_vlq(&text, &delta) || !add_to(&state->column, delta))
        return false;
    if (text.len > 0) {
        int32_t *fields[] = {&state->source, &state->source_line, &state->source_column};

        for (size_t i = 0; i < COUNT_OF(fields); i++) {
            if (!read_vlq(&text, &delta) || !add_to(fields[i], delta))
                return false;
        }
        segment = *state;
    } else {
        segment = *state;
        segment.source = -1;
    }
    add_segment(map, &segment);
    return true;
}

static bool read_mappings(struct source_map *map, struct str text)
{
    struct segment state = {0, 0, 0, 0, 0};

    while (text.len > 0) {
        struct str line = str_cut(&text, ';');

        state.column = 0;
        while (line.len > 0) {
            struct str segment = str_cut(&line, ',');

            if (segment.len > 0 && !read_segment(map, segment, &state))
                return false;
        }
        state.line++;
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct segment *x = a;
    const struct segment *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

static struct str text_of(const json_t *json)
{
    return json_is_string(json) ? str_from(json_string_value(json), json_string_length(json))
                                : STR("");
}

/* A name with a scheme ("webpack://shop/src/a.ts") stays as it is. */
static char *url_of(struct str base, struct str root, struct str name)
{
    char *joined = root.len ? mem_printf("%.*s/%.*s", STR_ARG(root), STR_ARG(name)) : str_dup(name);
    char *url = joined;

    if (str_find_str(str_of(joined), STR("://")) < 0) {
        url = files_resolve(base, str_of(joined));
        mem_free(joined);
    }
    return url;
}

static void read_sources(struct source_map *map, const json_t *json, struct str base)
{
    const json_t *list = json_object_get(json, "sources");
    struct str root = text_of(json_object_get(json, "sourceRoot"));

    map->source_count = json_array_size(list);
    map->sources = mem_calloc(map->source_count + 1, sizeof *map->sources);
    for (size_t i = 0; i < map->source_count; i++)
        map->sources[i] = url_of(base, root, text_of(json_array_get(list, i)));
}

struct source_map *source_map_parse(struct str text, struct str base)
{
    json_t *json = json_loadb(text.ptr, text.len, 0, NULL);
    const json_t *mappings = json_object_get(json, "mappings");
    struct source_map *map = mem_zalloc(sizeof *map);

    read_sources(map, json, base);
    if (!json_is_string(mappings) || !read_mappings(map, text_of(mappings))) {
        source_map_free(map);
        map = NULL;
    } else if (map->count) {
        /* Columns of a line may come in any order. */
        qsort(map->segments, map->count, sizeof *map->segments, by_place);
    }
    json_decref(json);
    return map;
}

void source_map_free(struct source_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->source_count; i++)
        mem_free(map->sources[i]);
    mem_free(map->sources);
    mem_free(map->segments);
    mem_free(map);
}

/* --- where a script names its map --------------------------------------------------------- */

struct str source_map_url(struct str script)
{
    static const struct str mark = STR_INIT("//# sourceMappingURL=");
    size_t end = script.len;

    /* The last line that is not empty. */
    while (end > 0 && (script.ptr[end - 1] == '\n' || script.ptr[end - 1] == '\r' ||
                       script.ptr[end - 1] == ' '))
        end--;
    script.len = end;
    script = str_from_index(script, (size_t)(str_rfind(script, '\n') + 1));
    return str_starts_with(script, mark) ? str_trim(str_from_index(script, mark.len)) : STR("");
}

struct source_map *source_map_of_data_url(struct str url, struct str base)
{
    static const struct str mark = STR_INIT(";base64,");
    ptrdiff_t at = str_find_str(url, mark);
    struct source_map *map = NULL;
    struct buf json = BUF_INIT(SIZE_MAX);

    if (str_starts_with(url, STR("data:application/json")) && at >= 0 &&
        base64_decode(str_from_index(url, (size_t)at + mark.len), &json))
        map = source_map_parse(buf_str(&json), base);
    buf_deinit(&json);
    return map;
}

/* --- looking up --------------------------------------------------------------------------- */

bool source_map_find(const struct source_map *map, int line, int column, struct source_place *out)
{
    struct segment key = {.line = line - 1, .column = column - 1};
    size_t low = 0;
    size_t high = map->count;
    const struct segment *s;

    while (low < high) { /* the first that lies behind the key */
        size_t middle = low + (high - low) / 2;

        if (by_place(&map->segments[middle], &key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    s = &map->segments[low - 1];
    if (s->line != key.line || s->source < 0 || (size_t)s->source >= map->source_count)
        return false;
    *out = (struct source_place){str_of(map->sources[s->source]), s->source_line + 1,
                                 s->source_column + 1};
    return true;
}

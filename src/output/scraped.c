#include "output/scraped.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MOST_LABELS = 40 };

/* Takes `"value"` off the text, where \\, \" and \n stand for what they do, into memory at `*room`,
 * which moves on. */
static struct str take_value(struct str *rest, char **room)
{
    char *begin = *room;
    size_t i = 1;

    for (; i < rest->len && rest->ptr[i] != '"'; i++) {
        char c = rest->ptr[i];

        if (c == '\\' && i + 1 < rest->len) {
            c = rest->ptr[++i];
            c = c == 'n' ? '\n' : c;
        }
        *(*room)++ = c;
    }
    *rest = str_from_index(*rest, i < rest->len ? i + 1 : rest->len);
    return str_from(begin, (size_t)(*room - begin));
}

static void add_label(struct tags *tags, struct str key, struct str value)
{
    for (uint32_t i = 0; i < tags->count; i++) {
        if (str_eq(tags->list[i].key, key))
            return;
    }
    if (key.len > 0 && value.len > 0 && tags->count < MOST_LABELS)
        tags->list[tags->count++] = (struct tag){key, value};
}

/* `labels` is what stands between the braces. */
static void read_labels(struct str labels, char *room, struct tags *tags)
{
    while (labels.len > 0) {
        struct str key = str_trim(str_cut(&labels, '='));
        char *begin = room;

        memcpy(room, key.ptr, key.len);
        room += key.len;
        labels = str_trim(labels);
        if (labels.len == 0 || labels.ptr[0] != '"')
            return;
        add_label(tags, str_from(begin, key.len), take_value(&labels, &room));
        str_cut(&labels, ',');
    }
}

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct tag *)a)->key, ((const struct tag *)b)->key);
}

struct scraped *scraped_new(const char *target, struct str text, bool is_counter)
{
    struct scraped *s = mem_zalloc(sizeof *s);
    struct tags *tags = mem_zalloc(sizeof *tags + MOST_LABELS * sizeof(struct tag));
    ptrdiff_t brace = str_find(text, '{');
    struct str name = brace < 0 ? text : str_slice(text, 0, (size_t)brace);
    char *full = mem_printf("scrape:%s/%.*s", target, STR_ARG(name));
    size_t len = strlen(full);

    s->_memory = mem_alloc(len + 1 + text.len);
    memcpy(s->_memory, full, len + 1);
    if (brace >= 0)
        read_labels(str_slice(text, (size_t)brace + 1, text.len - 1), s->_memory + len + 1, tags);
    qsort(tags->list, tags->count, sizeof(struct tag), by_key);
    s->_metric = (struct metric){.id = METRIC_BUILTIN_COUNT,
                                 .name = str_from(s->_memory, len),
                                 .type = is_counter ? METRIC_COUNTER : METRIC_GAUGE,
                                 .contains = METRIC_DEFAULT};
    s->series = (struct series){&s->_metric, tags};
    mem_free(full);
    return s;
}

void scraped_free(struct scraped *s)
{
    if (!s)
        return;
    mem_free((void *)(uintptr_t)s->series.tags);
    mem_free(s->_memory);
    mem_free(s);
}

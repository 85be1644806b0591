#include "fleet/message.h"

#include "base/mem.h"

void message_pack(const ProtobufCMessage *message, struct buf *out)
{
    size_t size = protobuf_c_message_get_packed_size(message);

    buf_init(out, SIZE_MAX);
    protobuf_c_message_pack(message, (uint8_t *)buf_room(out, size + 1));
    buf_added(out, size);
}

Gale__Fleet__Pair **message_pairs(const struct map *map, size_t *count)
{
    Gale__Fleet__Pair **pairs;
    size_t n = 0;

    for (struct map_entry *e = map_first(map); e; e = map_next(map, e))
        n++;
    pairs = mem_calloc(n + 1, sizeof *pairs);
    *count = n;
    n = 0;
    for (struct map_entry *e = map_first(map); e; e = map_next(map, e)) {
        pairs[n] = mem_alloc(sizeof **pairs);
        gale__fleet__pair__init(pairs[n]);
        pairs[n]->name = str_dup(e->key);
        pairs[n++]->value = e->value;
    }
    return pairs;
}

void message_pairs_free(Gale__Fleet__Pair **pairs, size_t count)
{
    for (size_t i = 0; pairs && i < count; i++) {
        mem_free(pairs[i]->name);
        mem_free(pairs[i]);
    }
    mem_free((void *)pairs);
}

void message_pairs_to_map(Gale__Fleet__Pair *const *pairs, size_t count, struct map *out)
{
    for (size_t i = 0; i < count; i++) {
        const char *value = pairs[i]->value ? pairs[i]->value : "";

        if (pairs[i]->name && pairs[i]->name[0])
            mem_free(map_set(out, str_of(pairs[i]->name), mem_strdup(value)));
    }
}

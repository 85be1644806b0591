/* Messages unpacked into an arena: one free for all of a message, and no heap in between.
 *
 *     ProtobufCAllocator memory = arena_allocator(&arena);
 *     Gale__Fleet__Data *m = gale__fleet__data__unpack(&memory, len, bytes); NULL: malformed
 */
#ifndef FLEET_UNPACK_H
#define FLEET_UNPACK_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"

static inline void *arena_allocator_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static inline void arena_allocator_free(void *arena, void *ptr)
{
    (void)arena;
    (void)ptr;
}

static inline ProtobufCAllocator arena_allocator(struct arena *arena)
{
    return (ProtobufCAllocator){arena_allocator_alloc, arena_allocator_free, arena};
}

#endif

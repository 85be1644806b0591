/* Helpers on the generated messages (messages/fleet.proto): packing, texts, lists. */
#ifndef FLEET_MESSAGE_H
#define FLEET_MESSAGE_H

#include <fleet.pb-c.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/str.h"

/* What this gale speaks; a controller refuses agents of another (Status.protocol). */
enum { FLEET_PROTOCOL = 1 };

/* Status.refused of an agent's last status: it goes, in good order. */
#define FLEET_LEFT "it has left"

/* Initialises `out` with the message's bytes. */
void message_pack(const ProtobufCMessage *message, struct buf *out);

/* An array of pairs out of a map of char *: for Order.env and the like. The texts are the map's;
 * free the array with message_pairs_free. */
Gale__Fleet__Pair **message_pairs(const struct map *map, size_t *count);
void message_pairs_free(Gale__Fleet__Pair **pairs, size_t count);

/* Copies pairs into a map (char *, owned), over what is there. */
void message_pairs_to_map(Gale__Fleet__Pair *const *pairs, size_t count, struct map *out);

#endif

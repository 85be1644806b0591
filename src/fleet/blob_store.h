/* The controller's blobs: in memory while a run needs them, and in the stream GALE_BLOBS, from
 * which a controller that comes back (or another one) has them again. */
#ifndef FLEET_BLOB_STORE_H
#define FLEET_BLOB_STORE_H

#include "fleet/blob.h"

#define BLOB_STREAM "GALE_BLOBS"

struct blob_store;
struct bus;

/* Makes the stream if need be. Blocks for a moment. */
MUST_USE int blob_store_new(struct bus *bus, struct blob_store **out, struct diag *d);
void blob_store_free(struct blob_store *s);

/* Takes a copy of the bytes; they are there at once, and in the stream soon after. */
void blob_store_put(struct blob_store *s, struct str bytes, struct blob_id *out);
/* False when it is not here. Valid until it is dropped. */
bool blob_store_get(const struct blob_store *s, const uint8_t sha256[BLOB_HASH], struct str *out);
/* Brings it from the stream; fn is called once on the loop, with 0 when it is here. */
void blob_store_bring(struct blob_store *s, const struct blob_id *id,
                      void (*fn)(void *arg, int err), void *arg);
/* Forgets it, in the stream as well. */
void blob_store_drop(struct blob_store *s, const struct blob_id *id);

#endif

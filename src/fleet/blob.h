/* Blobs: bytes that are known by their SHA-256 (an archive, setup()'s data). The controller keeps
 * them, agents fetch them in chunks over the bus and check the whole. */
#ifndef FLEET_BLOB_H
#define FLEET_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct bus;

enum { BLOB_HASH = 32, BLOB_CHUNK = 256 * 1024 };

#define BLOB_MAX (UINT64_C(512) * 1024 * 1024)

struct blob_id {
    uint8_t sha256[BLOB_HASH];
    uint64_t size;
};

void blob_id_of(struct str bytes, struct blob_id *out);
/* In hexadecimal: 64 digits and a NUL. */
void blob_id_text(const struct blob_id *id, char out[2 * BLOB_HASH + 1]);

/* Fetches a blob by asking on `subject` (Ask, Answer), chunk by chunk, each again until `deadline`
 * (monotonic): a controller may be away for a while. *out is on the heap with a NUL behind its last
 * byte. ERR_NOT_FOUND when the controller has it not, ERR_INVALID when the hash is another,
 * ERR_LIMIT when it is larger than BLOB_MAX, ERR_TIMEOUT, ERR_CANCELLED; with a message. */
MUST_USE
YIELDS
int blob_fetch(struct bus *bus, const char *subject, const struct blob_id *id, int64_t deadline,
               char **out, struct diag *d);

#endif

/* Protocol Buffers messages to JSON and back, by the proto3 JSON mapping
 * (protobuf.dev/programming-guides/json), for types known at run time. */
#ifndef PROTO_PB_JSON_H
#define PROTO_PB_JSON_H

#include <jansson.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct pb_message;
struct pb_schema;

enum { PB_MAX_DEPTH = 100 };

/* Appends `json` (an object; null is the empty message) as a message of type `m` to `out`, whose
 * maximum bounds the size. Errors name the field: "user.tags[2]: expected a string". */
MUST_USE int pb_from_json(const struct pb_schema *s, const struct pb_message *m, const json_t *json,
                          struct buf *out, struct diag *d);

/* Appends the message as JSON text. Fields without presence that are not set are written with
 * their default values, as k6 does (k6-features.md GRP-06). */
MUST_USE int pb_to_json(const struct pb_schema *s, const struct pb_message *m, struct str bytes,
                        struct buf *out, struct diag *d);

#endif

/* Message types for the tests of proto/pb, written as text and turned into a descriptor:
 *
 *     message t.Name             begins a message; what follows are its fields
 *     [repeated|optional|oneof] TYPE NAME NUMBER
 *     map KEYTYPE VALUETYPE NAME NUMBER
 *     enum t.Name                begins an enum; its values are NAME NUMBER
 *
 * TYPE is a scalar's name or the full name of a message or, with "=" in front, of an enum. All
 * oneof fields of a message are in one oneof. */
#ifndef SUPPORT_PB_TYPES_H
#define SUPPORT_PB_TYPES_H

#include "base/buf.h"
#include "base/str.h"

struct pb_schema;

/* A FileDescriptorProto of proto3. */
void pb_types_describe(struct str text, struct buf *out);

/* Every type that the mapping to JSON knows: t.All, t.Node, t.Pick and the well-known ones. */
extern const char pb_types_all[];
/* A resolved schema of them. */
void pb_types_load(struct pb_schema *s);

#endif

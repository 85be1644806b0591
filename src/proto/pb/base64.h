/* Base64 for the bytes type of the JSON mapping: the standard alphabet out; in, also the URL-safe
 * one, with or without padding (RFC 4648). */
#ifndef PROTO_PB_BASE64_H
#define PROTO_PB_BASE64_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

void pb_base64_encode(struct str bytes, struct buf *out);
bool pb_base64_decode(struct str text, struct buf *out);

#endif

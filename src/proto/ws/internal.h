/* What the files of WebSockets share; nobody else includes it.
 *
 * handshake.c asks and checks the answer; session.c moves messages; deflate.c packs them. */
#ifndef PROTO_WS_INTERNAL_H
#define PROTO_WS_INTERNAL_H

#include "base/buf.h"
#include "proto/ws/ws.h"

/* A session over `stream`, which it owns. `early`: bytes that came behind the handshake. */
struct ws *ws_new(struct stream *stream, bool deflate, size_t max_message, struct str early);

/* One message, packed without context (RFC 7692 7.2.1, no_context_takeover). */
MUST_USE int ws_deflate(struct str plain, struct buf *out);
/* ERR_LIMIT past the buffer's maximum, ERR_DECOMPRESS. */
MUST_USE int ws_inflate(struct str packed, struct buf *out);

#endif

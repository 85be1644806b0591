/* WebSockets (RFC 6455) as a client, with permessage-deflate (RFC 7692): the opening handshake over
 * HTTP/1.1, then messages.
 *
 * wslay keeps the protocol's state; this moves its bytes. One fiber reads, any fiber of the loop
 * sends. Pings are answered, and a close is echoed, while somebody reads. */
#ifndef PROTO_WS_WS_H
#define PROTO_WS_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "net/addr.h"
#include "net/dialer.h"
#include "net/stream.h"
#include "proto/header.h"
#include "proto/url.h"

struct ws;

/* --- the opening handshake ---------------------------------------------------------------- */

/* Lives until ws_connect has returned. */
struct ws_request {
    struct dialer *dialer;
    const struct addr *local;          /* NULL: any */
    struct url url;                    /* http for ws, https for wss */
    const struct http_header *headers; /* the script's; those of the handshake itself are dropped */
    size_t header_count;
    struct str user_agent; /* unless the headers have one */
    struct str cookies;    /* "a=1; b=2", unless the headers have some */
    struct str protocols;  /* "chat, superchat"; empty: none */
    bool deflate;          /* offers permessage-deflate */
    size_t max_message;    /* bytes, unpacked; a larger one closes with 1009 */
};

/* The server's answer; in the arena. */
struct ws_reply {
    int status; /* 0: none came */
    struct str status_text;
    const struct http_header *headers; /* canonical names */
    size_t header_count;
    struct str protocol;   /* the subprotocol it chose; empty: none */
    struct str extensions; /* empty: none */
    struct addr remote;

    /* How long what happened took, in nanoseconds, when there was no answer too. */
    struct dial_timing dialled;
    int64_t sending;
    int64_t waiting; /* for the answer */
};

/* Connects and shakes hands. 0 and *out; ERR_WS_HANDSHAKE when the answer is no upgrade (*reply has
 * it); else the dialer's errors, ERR_HTTP..., ERR_TIMEOUT, ERR_CANCELLED. `d` has the text. */
MUST_USE YIELDS int ws_connect(const struct ws_request *request, int64_t deadline, struct arena *a,
                               struct ws_reply *reply, struct ws **out, struct diag *d);

/* Closes the connection, without any goodbye. Nobody is in another function. */
void ws_free(struct ws *ws);

struct stream_bytes ws_bytes(const struct ws *ws);

/* --- messages ----------------------------------------------------------------------------- */

enum ws_kind { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

enum {
    WS_NO_STATUS = 1005,
    WS_ABNORMAL = 1006
}; /* RFC 6455 7.4.1: said of a close without a code */

struct ws_message {
    enum ws_kind kind;
    struct str data; /* text is UTF-8; of a close: the reason. Valid until the next ws_read */
    int code;        /* of a close */
};

/* The next message. After WS_CLOSE there is none. ERR_WS_PROTOCOL when the peer broke the rules: a
 * close frame that says which has been sent, and `d` has it as text. ERR_UNEXPECTED_EOF: the end
 * came without a close frame. */
MUST_USE YIELDS int ws_read(struct ws *ws, struct ws_message *out, int64_t deadline,
                            struct diag *d);

/* Sends a message. ERR_WS_CLOSED after a close was sent or received. */
MUST_USE YIELDS int ws_send(struct ws *ws, enum ws_kind kind, struct str data, int64_t deadline);

/* Sends a close frame; the peer's answer comes from ws_read. A second one is no error. */
MUST_USE YIELDS int ws_close(struct ws *ws, int code, struct str reason, int64_t deadline);

#endif

/* A WebSocket of a VU, without JavaScript: a fiber of its own connects and reads, what comes waits
 * in a queue. A peer that sends faster than the script takes is made to wait. */
#ifndef SCRIPT_WS_SOCKET_H
#define SCRIPT_WS_SOCKET_H

#include "loop/loop.h"
#include "proto/cookie.h"
#include "proto/ws/ws.h"
#include "script/http/internal.h"

enum ws_event_kind {
    WS_EVENT_OPEN,    /* the handshake is done */
    WS_EVENT_TEXT,    /* data */
    WS_EVENT_BINARY,  /* data */
    WS_EVENT_PING,    /* data */
    WS_EVENT_PONG,    /* data */
    WS_EVENT_CLOSE,   /* code, data: the reason. The last one */
    WS_EVENT_FAILURE, /* data: what went wrong. The last one */
};

struct ws_event {
    struct ws_event *next;
    enum ws_event_kind kind;
    int code;
    size_t len;
    char data[];
};

struct ws_socket {
    struct vu *vu; /* gone when the socket is abandoned */
    struct http_vu *http;
    struct loop *loop;
    struct arena arena; /* the request and the reply */
    struct ws_request request;
    struct cookie_jar *jar; /* NULL: none */
    tagset_id tags;         /* the script's; with the reply's once it is there */
    struct str url;         /* as it was given */

    struct trace_context trace; /* that the handshake carried */
    struct ws_reply reply;
    struct ws *ws;     /* NULL until it is open */
    bool has_reported; /* the session's length has been sampled */
    int64_t started;   /* monotonic */
    int64_t handshake_deadline;
    int64_t answered; /* the handshake has ended, one way or the other */
    int64_t opened;   /* 0: it is not */

    /* For whoever reads events; called on any fiber, must not park. */
    void (*on_news)(struct ws_socket *s);
    void *arg;

    struct fiber *reader; /* NULL: it has ended */
    bool reader_waits;    /* for room in the queue */
    bool is_abandoned;    /* the reader frees the socket at its end */
    struct ws_event *first;
    struct ws_event **last;
    size_t queued;   /* bytes */
    bool is_closing; /* a close was sent */
    struct timer close_timer;

    struct stream_bytes counted; /* by ws_socket_count_bytes */
    uint64_t pings;              /* sent so far: their payload */
    int64_t ping_sent[8];        /* when, of the newest ones */
};

/* An empty socket whose request the caller fills; strings go into its arena. */
struct ws_socket *ws_socket_new(struct http_vu *http);
/* Starts connecting; events follow. */
void ws_socket_start(struct ws_socket *s, int64_t timeout);
/* Ends whatever goes on, and frees, now or when the reader has ended. */
void ws_socket_free(struct ws_socket *s);

/* The oldest event, the caller's to free with mem_free; NULL: none. Its samples are made. */
struct ws_event *ws_socket_take(struct ws_socket *s);

/* 0, ERR_WS_CLOSED, or the stream's errors. */
MUST_USE YIELDS int ws_socket_send(struct ws_socket *s, enum ws_kind kind, struct str data);
MUST_USE YIELDS int ws_socket_ping(struct ws_socket *s);
MUST_USE YIELDS int ws_socket_close(struct ws_socket *s, int code, struct str reason);

/* The session is over for the script: samples its length, once, and its bytes. */
void ws_socket_report(struct ws_socket *s);

#endif

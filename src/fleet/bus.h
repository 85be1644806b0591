/* The messaging that a fleet runs on: NATS, with JetStream for what must not be lost.
 *
 * One connection per process, to any of several servers, kept up for good: it reconnects with a
 * back-off for as long as the process lives. What arrives is handed to the owner's loop, in order;
 * the library's own threads stay in bus.c. Nothing here blocks the loop, but for bus_open's first
 * connection and what says so; a bus that is cut off keeps what it is told to send only where the
 * contract says so.
 *
 * Threads: the loop's, but for bus_publish (any thread). */
#ifndef FLEET_BUS_H
#define FLEET_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct bus;
struct bus_sub;
struct loop;

struct bus_config {
    const char *url;  /* one or several, with commas: nats://host:4222, tls://... */
    const char *name; /* of the connection, as NATS' monitoring shows it */
    const char *user; /* NULL: none, or in the URL */
    const char *password;
    const char *token;       /* NULL: none */
    const char *credentials; /* a .creds file; NULL: none */
    const char *ca_file;     /* TLS: PEM; NULL: the system's */
    const char *tls_name;    /* that the server's certificate must have; NULL: the URL's host */
    const char *cert_file;   /* of the client; NULL: none */
    const char *key_file;
    bool is_own; /* a server that this process has started, on loopback: TLS without a check of its
                    certificate, which names what others reach it by */
    const char *inbox;            /* prefix of reply subjects, as in "_INBOX_a1"; NULL: NATS' own */
    int64_t connect_timeout_nsec; /* of bus_open, over all attempts; 0: 10 s */
    struct loop *loop;
    /* On the loop; may be NULL. `why` is valid during the call. */
    void (*on_link)(void *arg, bool is_up, const char *why);
    void *arg;
};

/* Connects. Blocks until connected or the time is over: then an error whose message names the
 * servers, what was wrong (refused, authorization, TLS, ...) and the way out. */
MUST_USE int bus_open(const struct bus_config *config, struct bus **out, struct diag *d);
/* Sends what waits, for at most a second, and ends all subscriptions: bus_unsubscribe is not for
 * them any more. May be called by a callback. NULL is allowed. */
void bus_close(struct bus *bus);
bool bus_is_up(struct bus *bus);
/* "nats://127.0.0.1:4222, 0.3 ms away", as measured when it connected; heap. */
char *bus_describe(struct bus *bus);
int64_t bus_max_payload(struct bus *bus); /* bytes, as the server says */

/* --- messages that may be lost -------------------------------------------------------------- */

/* Sends at once or drops it: ERR_LINK_DOWN, -EMSGSIZE (more than bus_max_payload), or ERR_LIMIT
 * while 64 MB wait because the server reads no more. */
MUST_USE int bus_publish(struct bus *bus, const char *subject, struct str bytes);

struct bus_message {
    struct str subject;
    struct str data;
    const char *reply; /* NULL: nobody waits for an answer */
    int64_t mono_nsec; /* when the library's thread got it: clock_now's clock */
    uint64_t sequence; /* in its stream; 0: not of a stream */
};

/* Calls fn on the loop for each message on `subject` (* and > allowed), valid during the call. At
 * most `limit` messages wait for the loop, more are dropped and counted (bus_sub_dropped). */
MUST_USE int bus_subscribe(struct bus *bus, const char *subject, size_t limit,
                           void (*fn)(void *arg, const struct bus_message *m), void *arg,
                           struct bus_sub **out);
void bus_unsubscribe(struct bus_sub *sub); /* NULL is allowed; fn is not called any more */
uint64_t bus_sub_dropped(const struct bus_sub *sub);

/* Asks; fn is called once on the loop with the answer, or with NULL and an error: ERR_TIMEOUT,
 * ERR_NOBODY, ERR_LINK_DOWN, or ERR_CANCELLED out of bus_close. The message's `mono_nsec` is when
 * it arrived, so that a round trip is measured without the loop's lag. */
MUST_USE int bus_request(struct bus *bus, const char *subject, struct str bytes,
                         int64_t timeout_nsec,
                         void (*fn)(void *arg, int err, const struct bus_message *m), void *arg);

/* --- streams (JetStream): what must not be lost -------------------------------------------- */

struct bus_stream_config {
    const char *name;
    const char *subjects; /* one pattern */
    int64_t max_bytes;    /* 0: no limit */
    int64_t max_age_nsec; /* 0: no limit */
};
/* Makes the stream (on disk) or leaves the one that is there. A full one refuses what is new and
 * keeps what it has. Blocks, at most 10 s. */
MUST_USE int bus_stream_make(struct bus *bus, const struct bus_stream_config *config,
                             struct diag *d);

/* Publishes to a stream; fn is called once on the loop: 0 when the stream has it, else why not
 * (ERR_TIMEOUT, ERR_LINK_DOWN, ERR_NOBODY: no such stream, -ENOSPC, ...; ERR_CANCELLED out of
 * bus_close): then it may or may not have arrived, so send it again with the same `message_id` (may
 * be NULL), of which the stream keeps the first within two minutes. "Has it": nats-server writes a
 * message to its file before it acknowledges, and syncs later, so that what is acknowledged
 * survives the server's death, but with a machine's power its last seconds may go. */
MUST_USE int bus_stream_publish(struct bus *bus, const char *subject, const char *message_id,
                                struct str bytes, int64_t timeout_nsec,
                                void (*fn)(void *arg, int err), void *arg);

struct bus_follow {
    const char *stream;
    const char *subject; /* of its messages; * and > allowed */
    uint64_t from;       /* sequence number; 1: all there are */
    size_t limit;        /* bytes that wait for the loop, or one message; at least 64 KB count */
};
/* Calls fn on the loop for each message, in order, and then as they come; what a cut link or a
 * server that died has swallowed is fetched again, so that none is missed and none comes twice.
 * The server holds back what is over the limit. A stream that is not there is waited for. Should
 * it have been made anew since, with fewer messages, it is read from its beginning. */
MUST_USE int bus_stream_follow(struct bus *bus, const struct bus_follow *what,
                               void (*fn)(void *arg, const struct bus_message *m), void *arg,
                               struct bus_sub **out);
/* Forgets what a subject holds. Does not block; errors are nobody's concern. */
void bus_stream_purge(struct bus *bus, const char *stream, const char *subject);

/* --- buckets (JetStream key-value) --------------------------------------------------------- */

#define BUS_ANY_REVISION UINT64_MAX

struct bus_entry {
    struct str key;
    struct str value; /* ptr NULL: deleted, by another program's mark */
    uint64_t revision;
};
/* `ttl_nsec` 0: entries stay. Blocks, at most 10 s. */
MUST_USE int bus_bucket_make(struct bus *bus, const char *bucket, int64_t ttl_nsec, struct diag *d);

/* These do not block. Each calls fn once on the loop, unless it returns an error. */

/* `entry->revision`: of the entry which this replaces; 0: there must be none; BUS_ANY_REVISION:
 * whatever is there. fn gets 0 and the new revision, ERR_EXISTS where somebody else was first, or
 * another error: then it may or may not be there. */
MUST_USE int bus_bucket_put(struct bus *bus, const char *bucket, const struct bus_entry *entry,
                            void (*fn)(void *arg, int err, uint64_t revision), void *arg);
MUST_USE int bus_bucket_delete(struct bus *bus, const char *bucket, struct str key,
                               void (*fn)(void *arg, int err, uint64_t revision), void *arg);
/* fn for each entry that there is, then once with NULL; err says what went wrong. */
MUST_USE int bus_bucket_list(struct bus *bus, const char *bucket,
                             void (*fn)(void *arg, int err, const struct bus_entry *e), void *arg);

#endif

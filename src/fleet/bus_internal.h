/* What the files of the bus share; nobody else includes it.
 *
 *   the loop                       the bus's thread                  the library's threads
 *   bus_publish ── outgoing ─────▶ natsConnection_PublishMsg
 *   bus_subscribe ─ outgoing ────▶ natsConnection_Subscribe
 *   the owner's fn ◀── arrivals ◀──────────────────────────────────── on_message
 *   on_link ◀── arrivals ◀──────── connects, again and again          on_closed
 *
 * The library writes to its socket while it holds the connection's lock, and whoever asks it
 * anything waits for that lock. So the loop never calls into a connection: a thread of the bus's
 * own does, and a server that reads no more blocks that one alone. That thread also makes the
 * connections, one library connection after the other, with reconnection left out of the library:
 * first connection and reconnection are one path, and a wrong password that becomes right is one
 * more attempt.
 *
 * One lock guards what is marked so. The loop wakes by a pipe of the bus's own and not by
 * loop_post: what has been posted can't be taken back when the bus is closed. */
#ifndef FLEET_BUS_INTERNAL_H
#define FLEET_BUS_INTERNAL_H

#include <jansson.h>
#include <nats/nats.h>
#include <pthread.h>

#include "base/compiler.h"
#include "fleet/bus.h"
#include "loop/loop.h"

enum {
    BUS_OUT_MAX = 64 << 20,     /* bytes that wait for the thread */
    BUS_IN_MAX = 256 << 20,     /* bytes that wait for the loop */
    BUS_CALLS_MAX = 65536,      /* calls that wait for their answers */
    BUS_PENDING_BUCKETS = 256,  /* of the table of calls */
    BUS_SERVERS_MAX = 64,       /* configured, and those that a cluster tells of */
    BUS_MESSAGE_OVERHEAD = 256, /* of a message in memory, about */
};

struct bus_server {
    char *url;
    char *shown; /* without user and password */
    char *host;
    char *port;
    bool tls;
};

/* --- to the thread ---------------------------------------------------------------------------- */

enum bus_out_kind { BUS_OUT_MESSAGE, BUS_OUT_SUBSCRIBE, BUS_OUT_UNSUBSCRIBE, BUS_OUT_JOB };

/* Something that may block, done by the thread while bus_run_job waits for it. */
struct bus_job {
    /* On the thread, with a connection. Sets `err` and `d`. */
    void (*run)(struct bus_job *job, natsConnection *nc);
    void (*free)(struct bus_job *job);
    int err;
    struct diag d;
    bool done;      /* guarded */
    bool abandoned; /* guarded: whoever waited has gone, the thread frees it */
};

struct bus_outgoing {
    struct bus_outgoing *next;
    enum bus_out_kind kind;
    size_t size;
    natsMsg *msg;
    struct bus_sub *sub;
    struct bus_job *job;
};

/* --- to the loop ------------------------------------------------------------------------------ */

struct bus_arrival {
    struct bus_arrival *next;
    struct bus_sub *sub; /* NULL: news of the link */
    natsMsg *msg;
    int64_t mono_nsec;
    bool is_up;
    uint64_t epoch; /* of the link that is up, or was */
    char *why;
};

struct bus_sub {
    struct bus *bus;
    char *subject;
    /* On the loop; `msg` stays the bus's. NULL: nobody wants it any more. */
    void (*handle)(struct bus_sub *sub, natsMsg *msg, int64_t mono_nsec);
    void (*on_link)(struct bus_sub *sub, bool is_up);
    void (*on_free)(struct bus_sub *sub); /* on the loop, when it is unsubscribed */
    void (*fn)(void *arg, const struct bus_message *m);
    void *arg;
    size_t limit;               /* messages */
    struct bus_sub *_next_live; /* the loop's list */
    struct bus_sub **_prev_live;
    uint64_t told; /* bus->told_links when it last heard of the link */

    /* guarded */
    struct bus_sub *_next; /* the thread's list: what to subscribe to after a reconnection */
    struct bus_sub **_prev;
    bool unwanted;
    size_t queued;
    uint64_t dropped;
    int references; /* the loop's and the thread's one, the library's, one per arrival */

    natsSubscription *handle_of_library; /* the thread's; NULL: the connection has it not */
};

/* A question that waits for its answer. */
struct bus_pending {
    struct bus_pending *next;
    struct bus *bus;
    uint64_t id;
    uint64_t epoch; /* of the link that it went over */
    struct timer timer;
    /* On the loop, once; `msg` (NULL with an error) stays the bus's. */
    void (*done)(void *arg, int err, natsMsg *msg, int64_t mono_nsec);
    void *arg;
};

struct bus {
    /* --- the loop's */
    struct loop *loop;
    void (*on_link)(void *arg, bool is_up, const char *why);
    void *arg;
    struct io io; /* the reading end of the pipe */
    int wake_fd;  /* its writing end */
    bool closed;
    bool has_thread;
    uint64_t told_links; /* how often the link came or went */
    struct bus_sub *live;
    struct bus_sub *answers; /* of the subject `inbox`.* */
    struct bus_pending *pending[BUS_PENDING_BUCKETS];
    size_t pending_count;
    uint64_t last_id;
    struct bus_arrival *batch; /* being handed out */

    /* --- frozen */
    char *name;
    char *user;
    char *password;
    char *token;
    char *credentials;
    char *ca_file;
    char *tls_name;
    bool is_own;
    char *cert_file;
    char *key_file;
    char *inbox_prefix;
    char *inbox; /* the prefix and a name that nobody else has */

    /* --- the thread's */
    struct bus_server servers[BUS_SERVERS_MAX];
    size_t server_count;
    size_t server_given; /* the first ones: of the configuration */
    size_t server_now;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* of the thread */
    pthread_cond_t told; /* of whoever waits for the thread */

    /* --- guarded */
    int references; /* the owner's, the thread's, each connection's, each subscription's */
    bool closing;
    bool finished; /* the thread has ended */
    bool is_up;
    bool is_lost; /* the library has closed `nc` */
    bool refused; /* every server said no for good: authorization, TLS, ... */
    uint64_t epoch;
    natsConnection *nc;
    char *why; /* the last failure */
    char *where;
    int64_t rtt_nsec;
    int64_t max_payload;
    struct bus_sub *subs;
    struct bus_outgoing *out;
    struct bus_outgoing **out_tail;
    size_t out_size;
    struct bus_arrival *in;
    struct bus_arrival **in_tail;
    size_t in_size;
};

/* --- bus.c ------------------------------------------------------------------------------------ */

void bus_unref_locked(struct bus *bus); /* unlocks; frees at the last one */
void bus_sub_unref_locked(struct bus_sub *sub);
/* Hands it to the loop. */
void bus_arrive_locked(struct bus *bus, struct bus_arrival *a);
/* Until it is signalled, or the monotonic clock says `deadline`. */
void bus_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline);

/* --- bus_out.c -------------------------------------------------------------------------------- */

/* ERR_INVALID unless it is one that can be published to, or with `wild` subscribed to. */
MUST_USE int bus_check_subject(const char *subject, bool wild);
/* A subscription whose messages go to `handle`. */
MUST_USE int bus_sub_new(struct bus *bus, const char *subject, size_t limit,
                         void (*handle)(struct bus_sub *sub, natsMsg *msg, int64_t mono_nsec),
                         struct bus_sub **out);
struct bus_message bus_message_of(natsMsg *msg, int64_t mono_nsec);
/* Takes `msg`, also on failure. `*epoch` (may be NULL) is that of the link it goes over. */
int bus_send(struct bus *bus, natsMsg *msg, size_t size, uint64_t *epoch);
/* Runs it on the thread and waits for it; takes the job. */
MUST_USE int bus_run_job(struct bus *bus, struct bus_job *job, int64_t timeout_nsec,
                         struct diag *d);

/* --- bus_link.c ------------------------------------------------------------------------------- */

void *bus_thread(void *arg);
/* What the thread does last: sends what waits, and lets everything go. Without a thread: for it. */
void bus_finish(struct bus *bus);

/* --- bus_connect.c ---------------------------------------------------------------------------- */

/* The library puts these texts into its JSON as they are. */
MUST_USE int bus_check_identity(const struct bus_config *config, struct diag *d);
MUST_USE int bus_parse_servers(struct bus *bus, const char *urls, struct diag *d);
/* Unless it is known, nonsense, or one too many. */
void bus_add_server(struct bus *bus, const char *url, bool tls);
void bus_free_servers(struct bus *bus);

struct bus_attempt {
    const struct bus_server *server;
    int connect_ms;
    int ping_ms;
    int write_ms;
    natsErrHandler on_error;
    natsConnectionHandler on_closed;
    natsConnection *nc; /* out */
    char *why;          /* out: heap; set on failure */
    bool is_final;      /* out: waiting does not help */
};
/* Connects; on_closed is called once for each connection that was made. */
bool bus_connect(struct bus *bus, struct bus_attempt *attempt);

/* --- bus_call.c ------------------------------------------------------------------------------- */

struct bus_call {
    const char *subject;
    struct str bytes;
    const char *header; /* NULL: none */
    const char *value;
    int64_t timeout_nsec;
    void (*done)(void *arg, int err, natsMsg *msg, int64_t mono_nsec);
    void *arg;
};
/* Sends it and calls done once, with the answer or an error. */
MUST_USE int bus_call(struct bus *bus, const struct bus_call *call);
void bus_handle_answer(struct bus_sub *answers, natsMsg *msg, int64_t mono_nsec);
/* Ends those that went over links up to `epoch`. */
void bus_fail_pending(struct bus *bus, uint64_t epoch, int err);

/* --- bus_api.c -------------------------------------------------------------------------------- */

/* The JSON of an answer (may be NULL: not wanted; the caller drops it), or the error it tells. */
MUST_USE int bus_api_result(natsMsg *msg, json_t **out, struct diag *d);
char *bus_api_text(json_t *root); /* heap; drops `root` */
/* Makes the stream or leaves the one of this name; drops `config`. Blocks. */
MUST_USE int bus_api_make_stream(struct bus *bus, json_t *config, struct diag *d);
int bus_api_purge(struct bus *bus, const char *stream, const char *subject,
                  void (*done)(void *arg, int err, natsMsg *msg, int64_t mono_nsec), void *arg);

/* --- bus_pull.c ------------------------------------------------------------------------------- */

struct bus_pulled {
    natsMsg *msg; /* the bus's */
    int64_t mono_nsec;
    uint64_t sequence;
};

struct bus_pull_config {
    const char *stream;
    const char *subject;
    uint64_t from; /* sequence number; 0: the last message of each subject */
    size_t limit;  /* bytes that are asked for at a time */
    void (*on_message)(void *arg, const struct bus_pulled *m);
    /* NULL: goes on for good. Else called once: when there are no more (0), when something went
     * wrong, or (ERR_CANCELLED) when it is unsubscribed before. */
    void (*on_end)(void *arg, int err);
    void (*free_arg)(void *arg); /* last of all; may be NULL. Not after a failure of bus_pull */
    void *arg;
};
/* Nothing is called before it returns. */
MUST_USE int bus_pull(struct bus *bus, const struct bus_pull_config *config, struct bus_sub **out);

#endif

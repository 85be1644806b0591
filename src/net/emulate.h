/* Emulated distance: connections behave as if their peer were far away, in user space, for trying
 * many regions on one machine (`--emulate rtt=230ms,jitter=8ms,rate=50mbit,loss=0.1%`).
 *
 * What it does to a connection, as TCP over such a path shows it:
 *  - each way takes half of `rtt`, give or take half of `jitter`, evenly distributed; bytes never
 *    overtake each other within a connection;
 *  - connecting costs one round trip, as does all that talks back and forth (a TLS handshake, a
 *    proxy's tunnel), and a close reaches the peer half a round trip later;
 *  - `rate` is the line of the whole process, up and down each: its connections share it, as the
 *    generators of one region share their host's line. A limit per connection would let a region's
 *    traffic grow with its VUs. Each connection takes a few milliseconds' worth at a time, so that
 *    they get equal parts;
 *  - `loss` is the share of segments that are lost. No byte is: TCP sends the segment again, one
 *    round trip later when enough follows it, else after its timer (a round trip and 200 ms, 1 s
 *    for a SYN; doubled when it is lost again), and what follows waits;
 *  - at most 4 MiB are under way each way, as Linux' windows allow by default.
 *
 * What it does not do: slow start and the congestion window (a fresh connection has the whole rate
 * at once), IP's and TCP's headers on the line, and DNS, as an agent's resolver is near to it. It
 * runs on the worker's loop: a VU that computes for long also holds up what others have under way.
 * Stamps of readiness are the moments at which the emulated bytes arrive.
 *
 * A `distance` is shared by all workers; an `emulator` is one worker's use of it. */
#ifndef NET_EMULATE_H
#define NET_EMULATE_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "net/addr.h"
#include "net/stream.h"

struct distance;
struct emulator;
struct loop;

struct distance_spec {
    int64_t rtt;    /* nanoseconds, at most 60 s */
    int64_t jitter; /* at most rtt */
    uint64_t rate;  /* bits per second; 0: no limit */
    double loss;    /* of segments, 0 to 0.5 */
};

/* "rtt=230ms,jitter=8ms,rate=50mbit,loss=0.1%", each at most once, in any order. ERR_INVALID with a
 * message that names the part. */
MUST_USE int distance_parse(struct str text, struct distance_spec *out, struct diag *d);
enum { DISTANCE_TEXT_MAX = 128 };
/* As it is parsed, without what has no effect; `out` holds DISTANCE_TEXT_MAX bytes. Returns `out`.
 */
char *distance_format(const struct distance_spec *spec, char *out);

struct distance *distance_new(const struct distance_spec *spec);
void distance_free(struct distance *distance); /* NULL is allowed */

/* `distance` outlives it. */
struct emulator *emulator_new(struct loop *loop, struct distance *distance);
/* Its streams are closed; what those still had under way is handed to the sockets at once. NULL is
 * allowed. */
void emulator_free(struct emulator *em);

/* As tcp_dial, over the distance. The stream is a transport (transport.h). */
MUST_USE YIELDS int emulator_dial(struct emulator *em, const struct addr *remote,
                                  const struct addr *local, int64_t deadline, struct stream **out,
                                  struct diag *d);

/* A transport over `below` (a transport too), which it owns from now on. */
struct stream *emulator_wrap(struct emulator *em, struct stream *below);

#endif

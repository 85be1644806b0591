/* The controller's REST API from the outside: what `gale run --fleet` and `gale fleet` speak. Calls
 * run on fibers of a loop. */
#ifndef CLI_FLEET_CLIENT_H
#define CLI_FLEET_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct args;
struct buf;
struct fleet_client;
struct loop;

/* Of --fleet ("http://host:6580", "https://host:6580" or "host:6580"; of several controllers all,
 * with commas: where one is out of reach or stands by, the next is asked), --token and --fleet-ca.
 */
MUST_USE int fleet_client_new(struct loop *loop, const struct args *args, struct fleet_client **out,
                              struct diag *d);
/* The header Gale-Settings of calls from now on, copied; NULL: none any more. */
void fleet_client_set_settings(struct fleet_client *c, const char *value);
void fleet_client_free(struct fleet_client *c); /* NULL is allowed */
/* Of the controller that answers, as in http://127.0.0.1:6580; valid until the next call. */
const char *fleet_client_address(const struct fleet_client *c);

/* Appends "?name=value" to a path, or "&name=value", encoded; value NULL: nothing. */
void fleet_client_add_query(struct buf *path, const char *name, const char *value);
/* The same of a value alone: a segment of the path. */
void fleet_client_add_escaped(struct buf *path, const char *value);

/* One call. `path` begins with "/". 0 with the answer's body (heap, NUL-terminated) where its
 * status is 2xx; else an error whose message is the problem's detail, or why there was no answer.
 */
MUST_USE
YIELDS
int fleet_client_call(struct fleet_client *c, const char *method, const char *path,
                      const char *content_type, struct str body, char **out, struct diag *d);
/* The same, with JSON out (NULL: no body); the caller's reference. */
MUST_USE
YIELDS
int fleet_client_json(struct fleet_client *c, const char *method, const char *path, json_t **out,
                      struct diag *d);

/* Follows an event stream until fn says that it is enough (true) or the stream ends. Reconnects for
 * up to a minute when it is cut off or hears nothing, to one controller after the other. */
MUST_USE
YIELDS
int fleet_client_follow(struct fleet_client *c, const char *path,
                        bool (*fn)(void *arg, const char *event, const json_t *data), void *arg,
                        struct diag *d);

#endif

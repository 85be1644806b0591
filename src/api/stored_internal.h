/* One answer from the store. Internal to src/api. */
#ifndef API_STORED_INTERNAL_H
#define API_STORED_INTERNAL_H

#include <jansson.h>

#include "api/call.h"
#include "api/stored.h"
#include "base/arena.h"
#include "base/diag.h"
#include "base/mem.h"
#include "store/series.h"
#include "store/store.h"

struct stored {
    struct api_context context;
    struct api_request *request; /* NULL: the client has left */
    struct arena arena;
    const struct route *route;
    struct route_values values;
    const char *caller; /* a name */
    json_t *query;      /* lists of texts by name */
    json_t *body;       /* of what writes: an object */
    bool writes;
    int (*read)(struct store *s, void *arg, struct diag *d); /* arg: this */
    void (*finish)(struct stored *q); /* on the loop, after what went well; or NULL */
    void *work;                       /* the operation's own */
    unsigned status;                  /* of the answer; 0: 200 */
    const char *location;             /* of what was made; in the arena; NULL: none */
    json_t *json;                     /* the answer; or */
    const char *type;                 /* its type, and */
    const char *text;                 /* the answer's bytes, in the arena */
    size_t len;
    const char *next; /* a page's cursor; NULL: none */
    size_t failed;    /* thresholds so far */
};

/* Reads on a fiber, then answers. */
void stored_start(struct api_call *call, int (*read)(struct store *s, void *arg, struct diag *d),
                  void (*finish)(struct stored *q));
/* With the body as an object; writes in a transaction. */
void stored_write(struct api_call *call, int (*write)(struct store *s, void *arg, struct diag *d),
                  void (*finish)(struct stored *q));
/* Reads, for one that was made before. */
void stored_begin(struct stored *q, int (*read)(struct store *s, void *arg, struct diag *d),
                  void (*finish)(struct stored *q));
/* For operations that do more than the store's part: who begins so answers the request, while it
 * is there, and frees. */
NEVER_NULL struct stored *stored_new(struct api_call *call);
void stored_free(struct stored *q);
/* With what is in it. */
void stored_answer(struct stored *q);
/* Answers with the problem that an error of the store is. */
void stored_refuse(struct api_request *r, int err, const struct diag *d);
/* Of the path: "run"; NULL: its route has none. */
const char *stored_path(const struct stored *q, const char *name);
/* Of the query; NULL: not there. */
const char *stored_param(const struct stored *q, const char *name);
/* A number of the query between its bounds, or what it is without. ERR_INVALID. */
MUST_USE int stored_number(const struct stored *q, const char *name, int64_t *out, int64_t max,
                           struct diag *d);
/* A parameter that may be repeated, as a JSON array of texts; NULL: not there. */
const char *stored_list(struct stored *q, const char *name);
/* label=key:value, each, as a JSON object; *out NULL: none. */
MUST_USE int stored_labels(struct stored *q, const char **out, struct diag *d);
/* from and to; the regions. */
MUST_USE int stored_span(struct stored *q, struct store_where *where, struct diag *d);
void stored_regions(struct stored *q, struct store_where *where);
/* Values with commas between, or repeated: a JSON array of texts; NULL: there is none. */
const char *stored_words(struct stored *q, const char *name);
/* ERR_INVALID when one of them is none of `known` (with blanks between), which are named. */
MUST_USE int stored_check_words(struct stored *q, const char *name, const char *known,
                                struct diag *d);
MUST_USE int stored_page(const struct stored *q, struct store_page *out, struct diag *d);
/* A Test, or one of its versions, into q->json. */
MUST_USE int stored_load_test(struct stored *q, struct store *s, const char *id, struct diag *d);
MUST_USE int stored_load_version(struct stored *q, struct store *s, const char *test,
                                 int64_t version, struct diag *d);
/* A run's thresholds, or its agents, into q->json: {"items": [...]}. */
MUST_USE int stored_load_thresholds(struct stored *q, struct store *s, struct diag *d);
MUST_USE int stored_load_agents(struct stored *q, struct store *s, struct diag *d);
/* Run: reads it; and how it goes now, on the loop. */
MUST_USE int stored_read_run(struct store *s, void *arg, struct diag *d);
void stored_finish_run(struct stored *q);
/* The same of a run that is not in the controller's memory; -EAGAIN: it has not ended, a controller
 * that has just begun to lead will have it. */
MUST_USE int stored_read_ended(struct store *s, void *arg, struct diag *d);
/* What lives of a Run is as it is now. */
void stored_overlay(const struct api_context *context, json_t *run);
/* Wraps q->json's items: with the cursor when there are `more`. */
void stored_end_page(struct stored *q, const struct store_page *page, int more);

#endif

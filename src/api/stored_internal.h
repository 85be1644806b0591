/* One answer from the store. Internal to src/api. */
#ifndef API_STORED_INTERNAL_H
#define API_STORED_INTERNAL_H

#include <jansson.h>

#include "api/call.h"
#include "api/stored.h"
#include "base/arena.h"
#include "base/diag.h"
#include "base/mem.h"
#include "store/store.h"

enum { STORED_PARAMS = 20 };

struct stored {
    struct api_context context;
    struct api_request *request; /* NULL: the client has left */
    struct arena arena;
    const struct route *route;
    struct route_values values;
    const char *params[STORED_PARAMS];
    int (*read)(struct store *s, void *arg, struct diag *d); /* arg: this */
    bool is_fresh;                    /* what waits to be stored is committed before */
    void (*finish)(struct stored *q); /* on the loop, after a reading that went well; or NULL */
    json_t *json;                     /* the answer; or */
    const char *type;                 /* its type, and */
    const char *text;                 /* the answer's bytes, in the arena */
    size_t len;
    const char *next; /* a page's cursor; NULL: none */
};

/* Makes it, to be changed and then begun: reads on a fiber, then answers. */
NEVER_NULL struct stored *stored_new(struct api_call *call,
                                     int (*read)(struct store *s, void *arg, struct diag *d),
                                     void (*finish)(struct stored *q));
void stored_begin(struct stored *q);
/* Both. */
void stored_start(struct api_call *call, int (*read)(struct store *s, void *arg, struct diag *d),
                  void (*finish)(struct stored *q));
/* Of the path: "run"; NULL: its route has none. */
const char *stored_path(const struct stored *q, const char *name);
/* Of the query; NULL: not there. */
const char *stored_param(const struct stored *q, const char *name);
/* A number of the query between its bounds, or what it is without. ERR_INVALID. */
MUST_USE int stored_number(const struct stored *q, const char *name, int64_t *out, int64_t max,
                           struct diag *d);
/* "a,b" as a JSON array of texts; NULL stays NULL. */
const char *stored_words(struct stored *q, const char *text);
MUST_USE int stored_page(const struct stored *q, struct store_page *out, struct diag *d);
/* Wraps q->json's items: with the cursor when there are `more`. */
void stored_end_page(struct stored *q, const struct store_page *page, int more);

#endif

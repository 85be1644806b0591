#include "api/stored_internal.h"

#include <stdlib.h>
#include <string.h>

#include "api/keeper.h"
#include "api/server.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"

enum { PAGE = 50, MAX_PAGE = 500 };

static const char *const param_names[] = {
    "limit", "cursor", "test", "phase", "result", "region", "q",  "level", "agent",  "source",
    "order", "from",   "to",   "kind",  "metric", "agg",    "by", "step",  "points",
};

/* --- what was asked ------------------------------------------------------------------------- */

const char *stored_path(const struct stored *q, const char *name)
{
    return route_value(q->route, &q->values, name);
}

const char *stored_param(const struct stored *q, const char *name)
{
    for (size_t i = 0; i < sizeof param_names / sizeof *param_names; i++) {
        if (strcmp(param_names[i], name) == 0)
            return q->params[i];
    }
    return NULL;
}

int stored_number(const struct stored *q, const char *name, int64_t *out, int64_t max,
                  struct diag *d)
{
    const char *text = stored_param(q, name);
    uint64_t number;

    if (!text)
        return 0;
    if (!str_to_u64(str_of(text), &number) || number > (uint64_t)max)
        return diag_set(d, ERR_INVALID, "%s: '%s' is no number from 0 to %lld", name, text,
                        (long long)max);
    *out = (int64_t)number;
    return 0;
}

const char *stored_words(struct stored *q, const char *text)
{
    struct str rest = str_of(text ? text : "");
    json_t *list;
    char *dumped;
    const char *copy;

    if (!text)
        return NULL;
    list = json_array();
    while (rest.len > 0) {
        struct str word = str_cut(&rest, ',');

        json_array_append_new(list, json_stringn(word.ptr, word.len));
    }
    dumped = json_dumps(list, JSON_COMPACT);
    copy = arena_strdup(&q->arena, dumped);
    json_decref(list);
    free(dumped);
    return copy;
}

/* A cursor is "KEY-ID". */
int stored_page(const struct stored *q, struct store_page *out, struct diag *d)
{
    const char *cursor = stored_param(q, "cursor");
    int64_t limit = PAGE;
    struct str rest;
    uint64_t key;

    if (stored_number(q, "limit", &limit, MAX_PAGE, d))
        return ERR_INVALID;
    *out = (struct store_page){.limit = limit ? (size_t)limit : 1};
    if (!cursor)
        return 0;
    rest = str_of(cursor);
    if (!str_to_u64(str_cut(&rest, '-'), &key) || key > INT64_MAX || rest.len >= sizeof out->id)
        return diag_set(d, ERR_INVALID, "cursor: '%s' is not one of a page", cursor);
    out->key = (int64_t)key;
    if (rest.len > 0)
        memcpy(out->id, rest.ptr, rest.len);
    return 0;
}

void stored_end_page(struct stored *q, const struct store_page *page, int more)
{
    if (more == 1)
        q->next = arena_printf(&q->arena, "%lld-%s", (long long)page->key, page->id);
    q->json = json_pack("{s:o, s:o}", "items", q->json, "next",
                        q->next ? json_string(q->next) : json_null());
}

/* --- answering ------------------------------------------------------------------------------ */

static void on_gone(void *arg)
{
    ((struct stored *)arg)->request = NULL;
}

static void refuse(struct api_request *r, int err, const struct diag *d)
{
    const char *message = d->message ? d->message : err_text(err);

    if (err == ERR_NOT_FOUND)
        api_problem(r, 404, "/problems/not-found", "Not found", "%s", message);
    else if (err == ERR_INVALID || err == ERR_LIMIT)
        api_problem(r, 400, "/problems/invalid-request", "Invalid request", "%s", message);
    else
        api_problem(r, 503, "/problems/not-ready", "The store can't be read", "%s", message);
}

static void fiber(void *arg)
{
    struct stored *q = arg;
    struct diag d = DIAG_INIT;
    int err;

    if (q->is_fresh)
        keeper_flush(q->context.config.keeper);
    err = keeper_read(q->context.config.keeper, q->read, q, &d);
    if (q->request && err == 0 && q->finish)
        q->finish(q);
    if (q->request && err) {
        refuse(q->request, err, &d);
    } else if (q->request && q->json) {
        api_answer_json(q->request, 200, q->json);
        q->json = NULL;
    } else if (q->request) {
        api_answer(q->request, q->len > 0 ? 200 : 204, q->type,
                   str_from(q->text ? q->text : "", q->len));
    }
    json_decref(q->json);
    diag_deinit(&d);
    arena_deinit(&q->arena);
    mem_free(q);
}

struct stored *stored_new(struct api_call *call,
                          int (*read)(struct store *s, void *arg, struct diag *d),
                          void (*finish)(struct stored *q))
{
    struct stored *q = mem_zalloc(sizeof *q);

    q->context = *call->context;
    q->request = call->request;
    q->route = call->route;
    q->values = call->values;
    q->read = read;
    q->finish = finish;
    arena_init(&q->arena);
    for (size_t i = 0; i < sizeof param_names / sizeof *param_names; i++) {
        const char *value = call_query(call, param_names[i]);

        q->params[i] = value ? arena_strdup(&q->arena, value) : NULL;
    }
    return q;
}

void stored_begin(struct stored *q)
{
    api_on_gone(q->request, on_gone, q);
    fiber_start(q->context.config.loop, fiber, q);
}

void stored_start(struct api_call *call, int (*read)(struct store *s, void *arg, struct diag *d),
                  void (*finish)(struct stored *q))
{
    stored_begin(stored_new(call, read, finish));
}

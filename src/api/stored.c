#include "api/stored_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/keeper.h"
#include "api/server.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"

enum { PAGE = 50, MAX_PAGE = 500 };

/* --- what was asked ------------------------------------------------------------------------- */

const char *stored_path(const struct stored *q, const char *name)
{
    return route_value(q->route, &q->values, name);
}

const char *stored_param(const struct stored *q, const char *name)
{
    return json_string_value(json_array_get(json_object_get(q->query, name), 0));
}

const char *stored_list(struct stored *q, const char *name)
{
    const json_t *list = json_object_get(q->query, name);
    char *dumped = list ? json_dumps(list, JSON_COMPACT) : NULL;
    const char *copy = dumped ? arena_strdup(&q->arena, dumped) : NULL;

    free(dumped);
    return copy;
}

int stored_labels(struct stored *q, const char **out, struct diag *d)
{
    const json_t *list = json_object_get(q->query, "label");
    json_t *labels;
    json_t *item;
    char *dumped;
    size_t i;

    *out = NULL;
    if (!list)
        return 0;
    labels = json_object();
    json_array_foreach(list, i, item)
    {
        struct str rest = str_of(json_string_value(item));
        struct str key = str_cut(&rest, ':');

        if (!rest.ptr || key.len == 0) {
            json_decref(labels);
            return diag_set(d, ERR_INVALID, "label: '%s' must be key:value",
                            json_string_value(item));
        }
        json_object_setn_new(labels, key.ptr, key.len, json_stringn(rest.ptr, rest.len));
    }
    dumped = json_dumps(labels, JSON_COMPACT);
    *out = arena_strdup(&q->arena, dumped);
    free(dumped);
    json_decref(labels);
    return 0;
}

int stored_span(struct stored *q, struct store_where *where, struct diag *d)
{
    int err = stored_number(q, "from", &where->from, STORE_MAX_SECOND, d);

    if (err == 0)
        err = stored_number(q, "to", &where->to, STORE_MAX_SECOND, d);
    if (err == 0 && where->to && where->to <= where->from)
        err = diag_set(d, ERR_INVALID, "to: %lld is not after from, %lld", (long long)where->to,
                       (long long)where->from);
    return err;
}

void stored_regions(struct stored *q, struct store_where *where)
{
    const json_t *list = json_object_get(q->query, "region");
    size_t count = json_array_size(list);
    struct str *regions = arena_zalloc(&q->arena, (count + 1) * sizeof *regions);

    for (size_t i = 0; i < count; i++)
        regions[i] = str_of(json_string_value(json_array_get(list, i)));
    where->regions = regions;
    where->region_count = count;
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

const char *stored_words(struct stored *q, const char *name)
{
    const json_t *said = json_object_get(q->query, name);
    json_t *list;
    json_t *item;
    char *dumped;
    const char *copy;
    size_t i;

    if (!said)
        return NULL;
    list = json_array();
    json_array_foreach(said, i, item)
    {
        struct str rest = str_of(json_string_value(item));

        while (rest.len > 0) {
            struct str word = str_cut(&rest, ',');

            json_array_append_new(list, json_stringn(word.ptr, word.len));
        }
    }
    dumped = json_dumps(list, JSON_COMPACT);
    copy = arena_strdup(&q->arena, dumped);
    json_decref(list);
    free(dumped);
    return copy;
}

static bool is_known(const char *known, const char *word)
{
    struct str rest = str_of(known);

    while (rest.len > 0) {
        if (str_eq_c(str_cut(&rest, ' '), word))
            return true;
    }
    return false;
}

int stored_check_words(struct stored *q, const char *name, const char *known, struct diag *d)
{
    const char *text = stored_words(q, name);
    json_t *list = text ? json_loads(text, 0, NULL) : NULL;
    json_t *word;
    size_t i;
    int err = 0;

    json_array_foreach(list, i, word)
    {
        if (err == 0 && !is_known(known, json_string_value(word)))
            err = diag_set(d, ERR_INVALID, "%s: '%s' is none of: %s", name, json_string_value(word),
                           known);
    }
    json_decref(list);
    return err;
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
    if (limit == 0)
        return diag_set(d, ERR_INVALID, "limit: '0' is no number from 1 to %d", MAX_PAGE);
    *out = (struct store_page){.limit = (size_t)limit};
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

void stored_refuse(struct api_request *r, int err, const struct diag *d)
{
    const char *message = d->message ? d->message : err_text(err);

    if (err == -EBUSY)
        api_problem(r, 409, "/problems/run-active", "Run active", "%s", message);
    else if (err == -EALREADY)
        api_problem(r, 409, "/problems/run-ended", "Run ended", "%s", message);
    else if (err == -ENOSPC || err == -EROFS)
        api_problem(r, 507, "/problems/store-full", "Store full", "%s", message);
    else if (err == ERR_NOT_FOUND)
        api_problem(r, 404, "/problems/not-found", "Not found", "%s", message);
    else if (d->file) /* a place in the body */
        api_problem_with(r, 400, "/problems/invalid-request", "Invalid request",
                         json_pack("{s:[{s:s, s:s}]}", "errors", "at", d->file, "message", message),
                         "%s", message);
    else if (err == ERR_INVALID || err == ERR_LIMIT)
        api_problem(r, 400, "/problems/invalid-request", "Invalid request", "%s", message);
    else
        api_problem(r, 503, "/problems/not-ready", "Not ready", "%s", message);
}

/* What has waited to be stored is, when a run has begun or ended just now. */
YIELDS static void catch_up(struct stored *q)
{
    const char *run = stored_path(q, "run");

    if (run && keeper_is_behind(q->context.config.keeper, run))
        keeper_flush(q->context.config.keeper);
}

void stored_answer(struct stored *q)
{
    unsigned status = q->status ? q->status : 200;

    if (q->location)
        api_add_header(q->request, "Location", q->location);
    if (q->json) {
        api_answer_json(q->request, status, q->json);
        q->json = NULL;
    } else {
        api_answer(q->request, q->len > 0 ? status : 204, q->type,
                   str_from(q->text ? q->text : "", q->len));
    }
}

void stored_free(struct stored *q)
{
    json_decref(q->json);
    json_decref(q->query);
    json_decref(q->body);
    arena_deinit(&q->arena);
    mem_free(q);
}

static void fiber(void *arg)
{
    struct stored *q = arg;
    struct keeper *keeper = q->context.config.keeper;
    struct diag d = DIAG_INIT;
    int err;

    catch_up(q);
    err = q->writes ? keeper_write(keeper, q->read, q, &d) : keeper_read(keeper, q->read, q, &d);
    if (q->request && err == 0 && q->finish)
        q->finish(q);
    if (q->request && err)
        stored_refuse(q->request, err, &d);
    else if (q->request)
        stored_answer(q);
    diag_deinit(&d);
    stored_free(q);
}

struct stored *stored_new(struct api_call *call)
{
    struct stored *q = mem_zalloc(sizeof *q);

    q->context = *call->context;
    q->request = call->request;
    q->route = call->route;
    q->values = call->values;
    arena_init(&q->arena);
    q->caller = arena_strdup(&q->arena, call->caller.name);
    q->query = api_queries(call->request);
    api_on_gone(call->request, on_gone, q);
    return q;
}

void stored_begin(struct stored *q, int (*fn)(struct store *s, void *arg, struct diag *d),
                  void (*finish)(struct stored *q))
{
    q->read = fn;
    q->finish = finish;
    fiber_start(q->context.config.loop, fiber, q);
}

void stored_start(struct api_call *call, int (*read)(struct store *s, void *arg, struct diag *d),
                  void (*finish)(struct stored *q))
{
    stored_begin(stored_new(call), read, finish);
}

void stored_write(struct api_call *call, int (*write)(struct store *s, void *arg, struct diag *d),
                  void (*finish)(struct stored *q))
{
    json_t *body = call_json(call);
    struct stored *q;

    if (!body)
        return;
    q = stored_new(call);
    q->body = body;
    q->writes = true;
    stored_begin(q, write, finish);
}

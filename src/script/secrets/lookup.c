#include "script/secrets/lookup.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/run_state.h"
#include "loop/fiber.h"
#include "script/internal.h"
#include "script/remote/get.h"
#include "script/secrets/secrets.h"
#include "script/secrets/url.h"

enum { KEPT_MAX = 1000 }; /* values that a worker keeps; more are fetched each time */

/* A source, as a worker uses it. */
struct asked {
    const struct secret_source *source;
    struct secret_pace pace;
    struct map entries; /* struct entry *, by key */
    struct asked *next;
};

/* What a worker has: script_worker->secrets. */
struct lookups {
    struct get_dialer dialer;
    struct asked *asked;
};

struct entry {
    struct asked *asked;
    char *key;
    char *value; /* NULL: not here */
    size_t len;
    struct fetching *fetching; /* NULL: nobody asks */
    struct lookup *waiting;
};

/* A fiber that asks. */
struct fetching {
    struct entry *entry; /* NULL: nobody waits for it any more */
    struct script_worker *worker;
    struct fiber *fiber;
    struct diag diag;
};

/* A VU that waits. */
struct lookup {
    struct vu_task task;
    struct vu_promise promise;
    struct entry *entry; /* NULL: it is answered */
    struct lookup *next;
    char *value; /* NULL: failed, `error` says why */
    size_t len;
    char *error;
};

/* --- what a worker has -------------------------------------------------------------------- */

/* NULL: an exception. */
static struct lookups *lookups_of(JSContext *ctx)
{
    struct script_worker *worker = vu_of(ctx)->worker;
    struct lookups *all = worker->secrets;
    struct diag d = DIAG_INIT;

    if (all)
        return all;
    all = mem_zalloc(sizeof *all);
    if (get_dialer_init(&all->dialer, worker->env->loop, &d)) {
        host_throw_diag(ctx, &d);
        diag_deinit(&d);
        mem_free(all);
        return NULL;
    }
    worker->secrets = all;
    return all;
}

static struct asked *asked_of(struct lookups *all, const struct secret_source *source)
{
    struct asked *asked = all->asked;

    while (asked && asked->source != source)
        asked = asked->next;
    if (asked)
        return asked;
    asked = mem_zalloc(sizeof *asked);
    asked->source = source;
    asked->next = all->asked;
    map_init(&asked->entries);
    all->asked = asked;
    return asked;
}

static void entry_free(void *value)
{
    struct entry *entry = value;

    mem_free(entry->key);
    mem_free(entry->value);
    mem_free(entry);
}

static struct entry *entry_of(struct asked *asked, struct str key)
{
    struct entry *entry = map_get(&asked->entries, key);

    if (entry)
        return entry;
    entry = mem_zalloc(sizeof *entry);
    entry->asked = asked;
    entry->key = str_dup(key);
    map_set(&asked->entries, key, entry);
    return entry;
}

/* Nobody asks for it, nobody waits, and there is no room to keep it, or nothing to keep. */
static void drop_if_idle(struct entry *entry)
{
    struct map *entries = &entry->asked->entries;

    if (entry->fetching || entry->waiting || (entry->value && entries->count <= KEPT_MAX))
        return;
    map_remove(entries, str_of(entry->key));
    entry_free(entry);
}

void secret_lookups_free(struct script_worker *worker)
{
    struct lookups *all = worker->secrets;

    if (!all)
        return;
    while (all->asked) {
        struct asked *asked = all->asked;

        all->asked = asked->next;
        map_deinit_with(&asked->entries, entry_free);
        mem_free(asked);
    }
    get_dialer_deinit(&all->dialer);
    mem_free(all);
    worker->secrets = NULL;
}

/* --- asking ------------------------------------------------------------------------------- */

static void answer_all(struct entry *entry, const char *error)
{
    while (entry->waiting) {
        struct lookup *l = entry->waiting;

        entry->waiting = l->next;
        l->entry = NULL;
        if (entry->value) {
            l->value = mem_strndup(entry->value, entry->len);
            l->len = entry->len;
        } else {
            l->error = mem_strdup(error);
        }
        vu_task_wake(&l->task);
    }
}

static void fetch_on_fiber(void *arg)
{
    struct fetching *f = arg;
    const struct run_state *run = f->worker->env->run;
    struct lookups *all = f->worker->secrets;
    struct asked *asked = f->entry->asked;
    char *key = mem_strdup(f->entry->key); /* the entry may go meanwhile */
    struct secret_fetch fetch = {
        .url = secret_source_url(asked->source),
        .dialer = all->dialer.dialer,
        .pace = &asked->pace,
        .workers = run ? run->worker_count : 1,
        .key = str_of(key),
    };
    char *value = NULL;
    size_t len = 0;
    int err = secret_url_fetch(&fetch, &value, &len, &f->diag);
    struct entry *entry = f->entry;

    if (err == 0)
        log_redact(str_from(value, len));
    if (entry) {
        entry->fetching = NULL;
        entry->value = value;
        entry->len = len;
        answer_all(entry, f->diag.message ? f->diag.message : err_text(err));
        drop_if_idle(entry);
    } else {
        mem_free(value);
    }
    diag_deinit(&f->diag);
    mem_free(key);
    mem_free(f);
}

static void ask(struct script_worker *worker, struct entry *entry)
{
    struct fetching *f = mem_zalloc(sizeof *f);

    f->entry = entry;
    f->worker = worker;
    entry->fetching = f;
    f->fiber = fiber_start(worker->env->loop, fetch_on_fiber, f);
}

/* --- waiting ------------------------------------------------------------------------------ */

static void end(struct lookup *l)
{
    vu_task_end(&l->task);
    mem_free(l->value);
    mem_free(l->error);
    mem_free(l);
}

static JSValue run(struct vu_task *task, JSContext *ctx)
{
    struct lookup *l = CONTAINER_OF(task, struct lookup, task);

    if (l->value)
        vu_promise_resolve(ctx, &l->promise, host_string(ctx, str_from(l->value, l->len)));
    else
        vu_promise_reject(ctx, &l->promise, host_error(ctx, "%s", l->error));
    end(l);
    return JS_UNDEFINED;
}

/* The last one who waits ends the asking too, so that a run does not end later for its sake. */
static void leave(struct lookup *l)
{
    struct entry *entry = l->entry;
    struct lookup **at = &entry->waiting;

    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    if (entry->waiting || !entry->fetching)
        return;
    entry->fetching->entry = NULL;
    fiber_cancel(entry->fetching->fiber);
    entry->fetching = NULL;
    drop_if_idle(entry);
}

static void stop(struct vu_task *task)
{
    struct lookup *l = CONTAINER_OF(task, struct lookup, task);

    if (l->entry)
        leave(l);
    vu_promise_drop(task->vu->ctx, &l->promise);
    end(l);
}

static const struct vu_task_ops ops = {run, stop};

JSValue secret_lookup(JSContext *ctx, const struct secret_source *source, struct str key)
{
    struct vu *vu = vu_of(ctx);
    struct lookups *all = lookups_of(ctx);
    struct entry *entry = all ? entry_of(asked_of(all, source), key) : NULL;
    struct lookup *l;
    JSValue promise;

    if (!all)
        return JS_EXCEPTION;
    l = mem_zalloc(sizeof *l);
    promise = vu_promise_new(ctx, &l->promise);
    if (JS_IsException(promise)) {
        mem_free(l);
        drop_if_idle(entry);
        return promise;
    }
    l->entry = entry;
    l->next = entry->waiting;
    entry->waiting = l;
    vu_task_start(vu, &l->task, &ops);
    if (entry->value)
        answer_all(entry, NULL);
    else if (!entry->fetching)
        ask(vu->worker, entry);
    return promise;
}

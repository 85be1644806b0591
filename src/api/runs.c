/* Stopping, following and changing runs. */
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/call.h"
#include "api/lives.h"
#include "api/living.h"
#include "api/stored_internal.h"
#include "base/err.h"
#include "fleet/controller.h"
#include "store/run.h"

enum { MAX_REASON = 1000 };

/* --- stopping ------------------------------------------------------------------------------- */

static void accept_stop(struct stored *q)
{
    q->status = 202;
}

/* One that has ended, or is being stopped, stays as it is. */
static void stop(struct api_call *call, const json_t *body)
{
    static const struct body_field fields[] = {
        {.name = "reason", .kind = BODY_TEXT, .max = MAX_REASON},
    };
    const struct living *living = call->context->living;
    const char *run = call_param(call, "run");
    struct diag d = DIAG_INIT;
    int err = body_check(body, fields, COUNT_OF(fields), &d);

    if (err) {
        stored_refuse(call->request, err, &d);
    } else if (living->has(living->arg, run)) {
        living->stop(living->arg, run, call->caller.name, body_text(body, "reason", NULL));
        api_answer_json(call->request, 202, living->view(living->arg, run));
    } else {
        stored_start(call, stored_read_ended, accept_stop);
    }
    diag_deinit(&d);
}

void runs_stop(struct api_call *call)
{
    json_t *body = call_json(call);

    if (body)
        stop(call, body);
    json_decref(body);
}

/* --- following ------------------------------------------------------------------------------ */

void runs_follow(struct api_call *call)
{
    const struct living *living = call->context->living;
    const struct controller *c = call->context->config.controller;
    const struct fleet_run *run = call_fleet_run(call);

    if (run && !controller_leads(c) && !fleet_run_is_over(run))
        api_problem(call->request, 503, "/problems/not-ready", "Not ready",
                    "another controller leads");
    else if (living->has(living->arg, call_param(call, "run")))
        lives_add(call->context->lives, call,
                  living->snapshot(living->arg, call_param(call, "run")));
    else
        stored_follow(call);
}

/* --- what people say of it ------------------------------------------------------------------ */

static const struct body_field update_fields[] = {
    {.name = "name", .kind = BODY_TEXT, .max = 200},
    {.name = "notes", .kind = BODY_TEXT, .max = 10000},
    {.name = "labels", .kind = BODY_TEXTS, .max = 50, .each = 200},
};

static int update(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    const json_t *body = q->body;
    const json_t *labels = json_object_get(body, "labels");
    char *text = labels ? json_dumps(labels, JSON_COMPACT) : NULL;
    int err = body_check(body, update_fields, COUNT_OF(update_fields), d);

    if (err == 0 && json_object_size(body) == 0)
        err = diag_set(d, ERR_INVALID, "nothing to change: give name, notes or labels");
    if (err == 0)
        err = store_update_run(s, stored_path(q, "run"), body_text(body, "name", NULL),
                               body_text(body, "notes", NULL), text, d);
    free(text);
    return err ? err : stored_read_run(s, q, d);
}

/* One that lives is known by it too: its record on the bus, and whoever follows it. */
static void tell_living(struct stored *q)
{
    struct fleet_run *run =
        controller_find_run(q->context.config.controller, stored_path(q, "run"));
    const char *key;
    json_t *value;

    json_object_foreach(q->body, key, value)
    {
        if (run)
            fleet_run_set_extra(run, key, json_incref(value));
    }
    stored_finish_run(q);
}

void runs_update(struct api_call *call)
{
    stored_write(call, update, tell_living);
}

static int set_baseline(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;

    q->status = 204;
    return store_set_baseline(s, stored_path(q, "run"),
                              strcmp(q->route->operation, "setBaseline") == 0, d);
}

void runs_set_baseline(struct api_call *call)
{
    stored_write(call, set_baseline, NULL);
}

void runs_clear_baseline(struct api_call *call)
{
    stored_write(call, set_baseline, NULL);
}

/* --- deleting ------------------------------------------------------------------------------- */

static int delete_run(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;

    q->status = 204;
    return store_delete_run(s, stored_path(q, "run"), d);
}

static void forget(struct stored *q)
{
    struct controller *c = q->context.config.controller;
    struct fleet_run *run = controller_find_run(c, stored_path(q, "run"));

    if (run && fleet_run_is_over(run))
        controller_forget_run(c, run);
}

void runs_delete(struct api_call *call)
{
    stored_write(call, delete_run, forget);
}

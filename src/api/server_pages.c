/* The controller itself: whether it lives and is ready, and what it is. */
#include "api/fleet_views.h"
#include "api/keeper.h"
#include "api/lives.h"
#include "api/stored_internal.h"
#include "base/clock.h"
#include "base/err.h"
#include "fleet/controller.h"

#define DAY_NSEC (24 * 3600 * NSEC_PER_SEC)

enum { UPLOAD_BYTES = 64 * 1024 * 1024, BODY_BYTES = 1024 * 1024, POINTS = 10000 };

void server_health(struct api_call *call)
{
    api_answer(call->request, 200, "text/plain; charset=utf-8", STR("ok\n"));
}

void server_readiness(struct api_call *call)
{
    const struct fleet_api_config *config = &call->context->config;
    const struct controller *c = config->controller;
    const char *problem = keeper_problem(config->keeper);
    struct buf why = BUF_INIT(SIZE_MAX);

    if (!controller_is_connected(c))
        buf_append_c(&why, "nats: not connected\n");
    else if (!controller_leads(c))
        buf_append_c(&why, "another controller leads\n");
    if (problem)
        buf_printf(&why, "store: %s\n", problem);
    api_answer(call->request, why.len ? 503 : 200, "text/plain; charset=utf-8",
               why.len ? buf_str(&why) : STR("ok\n"));
    buf_deinit(&why);
}

/* --- what it is ----------------------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
    return text && text[0] ? json_string(text) : json_null();
}

static json_t *caller_json(const struct api_caller *caller)
{
    return json_pack("{s:s, s:s, s:s, s:o}", "id", caller->id, "name", caller->name, "role",
                     role_name(caller->role), "run", text_or_null(caller->run));
}

static json_t *days_or_null(int64_t nsec)
{
    return nsec > 0 ? json_integer((nsec + DAY_NSEC - 1) / DAY_NSEC) : json_null();
}

static int read_bytes(struct store *s, void *arg, struct diag *d)
{
    (void)d;
    *(int64_t *)((struct stored *)arg)->work = store_bytes(s);
    return 0;
}

/* q->json is the caller; the rest is of now. */
static void finish_info(struct stored *q)
{
    const struct fleet_api_config *config = &q->context.config;
    const char *problem = keeper_problem(config->keeper);
    json_t *provisioners = json_array();

    if (config->provisioner)
        json_array_append_new(provisioners, json_string(config->provisioner));
    q->json =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:{s:i, s:i, s:i, s:i, s:i}, s:{s:o, s:o}, s:{s:I, "
                  "s:b, s:o}, s:o}",
                  "version", GALE_VERSION, "started_at", view_time(config->started_wall), "now",
                  view_time(clock_wall()), "caller", q->json, "run", text_or_null(config->local_id),
                  "limits", "upload_bytes", UPLOAD_BYTES, "body_bytes", BODY_BYTES,
                  "requests_per_second", 50, "streams", LIVES_MAX, "points", POINTS, "retention",
                  "runs_days", days_or_null(config->retain_nsec), "bytes",
                  config->retain_bytes ? json_integer(config->retain_bytes) : json_null(), "store",
                  "bytes", (json_int_t) * (int64_t *)q->work, "is_read_only", problem != NULL,
                  "problem", text_or_null(problem), "provisioners", provisioners);
}

void server_info(struct api_call *call)
{
    struct stored *q = stored_new(call);

    q->json = caller_json(&call->caller);
    q->work = arena_zalloc(&q->arena, sizeof(int64_t));
    stored_begin(q, read_bytes, finish_info);
}

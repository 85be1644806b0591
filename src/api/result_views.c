#include "api/result_views.h"

#include <math.h>

#include "api/fleet_views.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/journal.h"
#include "store/run.h"

static json_t *text_of(struct str s)
{
    return json_stringn_nocheck(s.ptr ? s.ptr : "", s.len); /* a script's: any bytes */
}

static json_t *text_or_null(const char *text)
{
    return text && text[0] ? json_string(text) : json_null();
}

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *second_or_null(int64_t second)
{
    return second >= 0 ? json_integer(second) : json_null();
}

/* --- tables --------------------------------------------------------------------------------- */

static json_t *path_of(const struct store_check_row *c)
{
    char *path = mem_printf("%.*s::%.*s", STR_ARG(c->group), STR_ARG(c->name));
    json_t *json = json_string_nocheck(path);

    mem_free(path);
    return json;
}

static json_t *check_json(const struct store_check_row *c)
{
    json_t *regions = json_object();

    for (size_t i = 0; i < c->region_count; i++) {
        const struct store_check_count *r = &c->regions[i];

        json_object_setn_new(regions, r->region.ptr, r->region.len,
                             json_pack("{s:I, s:I}", "passes", (json_int_t)r->passes, "fails",
                                       (json_int_t)r->fails));
    }
    return json_pack("{s:o, s:o, s:o, s:I, s:I, s:o}", "name", text_of(c->name), "group",
                     text_of(c->group), "path", path_of(c), "passes", (json_int_t)c->passes,
                     "fails", (json_int_t)c->fails, "regions", regions);
}

json_t *view_checks(const struct store_checks *checks, size_t limit)
{
    json_t *items = json_array();

    for (size_t i = 0; i < checks->count && i < limit; i++)
        json_array_append_new(items, check_json(&checks->list[i]));
    return items;
}

static json_t *url_json(const struct store_url *u)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "region", u->region.ptr ? text_of(u->region) : json_null(), "method",
                     text_of(u->method), "name", text_of(u->name), "status", text_of(u->status),
                     "count", (json_int_t)u->count, "rps", u->rps, "failed",
                     json_real(isfinite(u->failed) ? u->failed : 0), "min", number_or_null(u->min),
                     "avg", number_or_null(u->avg), "p50", number_or_null(u->p50), "p90",
                     number_or_null(u->p90), "p95", number_or_null(u->p95), "p99",
                     number_or_null(u->p99), "max", number_or_null(u->max));
}

json_t *view_urls(const struct store_urls *urls, size_t limit)
{
    json_t *items = json_array();

    for (size_t i = 0; i < urls->count && i < limit; i++)
        json_array_append_new(items, url_json(&urls->list[i]));
    return items;
}

static json_t *failure_json(const struct store_failure *f)
{
    json_t *regions = json_object();

    for (size_t i = 0; i < f->region_count; i++)
        json_object_setn_new(regions, f->regions[i].region.ptr, f->regions[i].region.len,
                             json_integer((json_int_t)f->regions[i].count));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o}", "error_code",
                     text_of(f->error_code), "error", text_of(f->error), "status",
                     text_of(f->status), "method", text_of(f->method), "name", text_of(f->name),
                     "count", (json_int_t)f->count, "first_second", (json_int_t)f->first,
                     "last_second", (json_int_t)f->last, "regions", regions);
}

json_t *view_failures(const struct store_failures *failures, size_t limit)
{
    json_t *items = json_array();

    for (size_t i = 0; i < failures->count && i < limit; i++)
        json_array_append_new(items, failure_json(&failures->list[i]));
    return items;
}

/* --- runs ----------------------------------------------------------------------------------- */

static json_t *parsed(const char *text)
{
    json_t *json = json_loads(text && text[0] ? text : "{}", 0, NULL);

    return json ? json : json_object();
}

/* What people say of it, and what it belongs to, is the store's to know; how it goes is in the
 * state, or with the controller. */
json_t *view_stored_run(const struct store_run *run)
{
    json_t *json = parsed(run->state);

    json_object_set_new(json, "id", json_string(run->id));
    json_object_set_new(json, "test",
                        json_pack("{s:s, s:s, s:I}", "id", run->test, "name", run->test_name,
                                  "version", (json_int_t)run->version));
    json_object_set_new(json, "name", json_string(run->name));
    json_object_set_new(json, "notes", json_string(run->notes ? run->notes : ""));
    json_object_set_new(json, "labels", parsed(run->labels));
    json_object_set_new(json, "phase", json_string(run->phase));
    json_object_set_new(json, "is_baseline", json_boolean(run->is_baseline));
    json_object_set_new(json, "rerun_of", text_or_null(run->rerun_of));
    return json;
}

/* --- journals ------------------------------------------------------------------------------- */

json_t *view_stored_event(const struct store_event *e)
{
    return json_pack("{s:I, s:o, s:o, s:s, s:s, s:o, s:o, s:s, s:{}}", "id", (json_int_t)e->id,
                     "at", view_time(e->wall_nsec), "second", second_or_null(e->second), "kind",
                     e->kind, "severity", e->severity, "region", text_or_null(e->region), "agent",
                     text_or_null(e->agent), "message", e->message, "data");
}

json_t *view_stored_log(const struct store_log *l)
{
    static const char *const levels[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

    return json_pack("{s:I, s:o, s:o, s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:I}", "id",
                     (json_int_t)l->id, "at", view_time(l->wall_nsec), "second",
                     second_or_null(l->second), "level", levels[l->level], "source", l->source,
                     "region", text_or_null(l->region), "agent", text_or_null(l->agent), "message",
                     l->message, "vu", second_or_null(l->vu), "iteration",
                     second_or_null(l->iteration), "left_out", (json_int_t)l->left_out);
}

json_t *view_stored_threshold(const struct store_threshold *t)
{
    return json_pack("{s:s, s:s, s:b, s:o, s:s, s:s, s:b, s:f, s:o, s:o, s:o}", "metric", t->metric,
                     "expression", t->expression, "ok", (int)t->ok, "value",
                     number_or_null(t->value), "unit", t->unit, "source", t->source,
                     "abort_on_fail", (int)t->abort_on_fail, "delay_abort_seconds",
                     nsec_to_sec(t->delay_abort_nsec), "window_seconds",
                     t->window_nsec ? json_real(nsec_to_sec(t->window_nsec)) : json_null(),
                     "for_seconds", t->for_nsec ? json_real(nsec_to_sec(t->for_nsec)) : json_null(),
                     "crossed_at_second", second_or_null(t->crossed));
}

json_t *view_exemplar(const struct store_exemplar *e)
{
    json_t *view = json_loads(e->data ? e->data : "{}", 0, NULL);

    if (!json_is_object(view)) {
        json_decref(view);
        view = json_object();
    }
    json_object_set_new(view, "id", json_integer(e->id));
    json_object_set_new(view, "second", json_integer(e->second));
    json_object_set_new(view, "kind", json_string(e->kind));
    json_object_set_new(view, "region", text_or_null(e->region));
    return view;
}

#include "api/exemplars.h"

#include <stdio.h>
#include <string.h>

#include "api/fleet_views.h"
#include "api/result_views.h"
#include "api/server.h"
#include "api/stored_internal.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/controller.h"
#include "metrics/window.h"
#include "output/exemplars.h"
#include "store/journal.h"
#include "store/run.h"

enum { PAGE = 50, MAX_PAGE = 500 };

/* --- one ------------------------------------------------------------------------------------ */

const char *exemplar_kind(const struct exemplar *x)
{
    return x->request.failed ? "failed" : "slow";
}

struct str exemplar_region(const struct exemplar *x)
{
    struct str region = tags_get(x->request.tags, STR("load_zone"));

    return region.ptr ? region : STR("");
}

static json_t *numbered(int number)
{
    char text[16];

    snprintf(text, sizeof text, "%d", number);
    return json_string(text);
}

static json_t *trace_id(const struct request_record *q)
{
    char text[33];

    if (!q->trace[0] && !q->trace[1])
        return json_null();
    snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)q->trace[0],
             (unsigned long long)q->trace[1]);
    return json_string(text);
}

/* URLs and errors are the target's texts: what is no UTF-8 is shown as "?". */
static json_t *text_of(const char *text)
{
    json_t *json = json_string(text);
    char *copy;

    if (json)
        return json;
    copy = mem_strdup(text);
    for (char *c = copy; *c; c++) {
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    }
    json = json_string(copy);
    mem_free(copy);
    return json;
}

json_t *exemplar_data(const struct exemplar *x)
{
    const struct request_record *q = &x->request;
    json_t *phases =
        json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "blocked", nsec_to_ms(q->blocked), "dns",
                  nsec_to_ms(q->dns), "connecting", nsec_to_ms(q->connecting), "tls_handshaking",
                  nsec_to_ms(q->tls), "sending", nsec_to_ms(q->sending), "waiting",
                  nsec_to_ms(q->waiting), "receiving", nsec_to_ms(q->receiving));

    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:f, s:o, s:I, s:I, s:o}", "at",
                     view_time(q->end_wall), "agent", q->agent ? q->agent : "", "method",
                     text_of(q->method), "url", text_of(q->url), "status", numbered(q->status),
                     "error_code", q->error_code ? numbered(q->error_code) : json_null(), "error",
                     text_of(q->error), "duration", nsec_to_ms(request_duration(q)), "phases",
                     phases, "vu", (json_int_t)q->vu, "iteration", (json_int_t)q->iteration,
                     "trace_id", trace_id(q));
}

/* --- of a run in memory --------------------------------------------------------------------- */

struct asked {
    const json_t *regions; /* one of them; NULL: any, as is the kind */
    const char *kind;
    uint64_t cursor; /* ids below it; 0: all */
    uint64_t limit;
    uint64_t from; /* seconds */
    uint64_t to;   /* 0: to the end */
};

static bool read_number(struct api_call *call, const char *name, uint64_t most, uint64_t *out)
{
    const char *text = call_query(call, name);
    uint64_t number;

    if (!text)
        return true;
    if (!str_to_u64(str_of(text), &number) || number > most) {
        call_invalid(call, "%s: '%s' is no number from 0 to %llu", name, text,
                     (unsigned long long)most);
        return false;
    }
    *out = number;
    return true;
}

/* False: what is wrong was answered. */
static bool read_asked(struct api_call *call, struct asked *a)
{
    const char *cursor = call_query(call, "cursor");
    struct str rest = str_of(cursor ? cursor : "");

    *a = (struct asked){.kind = call_query(call, "kind"), .limit = PAGE};
    if (!read_number(call, "limit", MAX_PAGE, &a->limit) ||
        !read_number(call, "from", INT64_MAX, &a->from) ||
        !read_number(call, "to", INT64_MAX, &a->to))
        return false;
    if (a->kind && strcmp(a->kind, "slow") != 0 && strcmp(a->kind, "failed") != 0) {
        call_invalid(call, "kind: '%s' is none of: slow failed", a->kind);
        return false;
    }
    if (a->limit == 0) {
        call_invalid(call, "limit: '0' is no number from 1 to %d", MAX_PAGE);
        return false;
    }
    if (!cursor || str_to_u64(str_cut(&rest, '-'), &a->cursor))
        return true;
    call_invalid(call, "cursor: '%s' is not one of a page", cursor);
    return false;
}

static bool is_among(const json_t *regions, struct str region)
{
    json_t *wanted;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)regions, i, wanted)
    {
        if (str_eq_c(region, json_string_value(wanted)))
            return true;
    }
    return !regions;
}

static bool is_asked_for(const struct exemplar *x, const struct asked *a)
{
    if (x->second < 0 || (uint64_t)x->second < a->from || (a->to && (uint64_t)x->second >= a->to))
        return false;
    if (a->cursor && x->id >= a->cursor)
        return false;
    return is_among(a->regions, exemplar_region(x)) &&
           (!a->kind || strcmp(exemplar_kind(x), a->kind) == 0);
}

static json_t *view(const struct exemplar *x)
{
    struct str region = exemplar_region(x);
    json_t *json =
        json_pack("{s:I, s:I, s:s, s:s%}", "id", (json_int_t)x->id, "second", (json_int_t)x->second,
                  "kind", exemplar_kind(x), "region", region.ptr, region.len);
    json_t *data = exemplar_data(x);

    json_object_update(json, data);
    json_decref(data);
    return json;
}

static void answer_page(struct api_request *r, const struct exemplars *e, const struct asked *a)
{
    json_t *items = json_array();
    size_t count;
    const struct exemplar **list = exemplars_list(e, &count);
    uint64_t last = 0;
    char next[24] = "";

    for (size_t i = 0; i < count; i++) {
        if (!is_asked_for(list[i], a))
            continue;
        if (json_array_size(items) == a->limit) {
            snprintf(next, sizeof next, "%llu-", (unsigned long long)last);
            break;
        }
        last = list[i]->id;
        json_array_append_new(items, view(list[i]));
    }
    mem_free((void *)list);
    api_answer_json(
        r, 200,
        json_pack("{s:o, s:o}", "items", items, "next", next[0] ? json_string(next) : json_null()));
}

static void answer_text(struct api_call *call, const struct exemplars *e)
{
    const char *link = call_query(call, "link");
    struct buf out = BUF_INIT(SIZE_MAX);

    exemplars_text(e, str_of(link ? link : ""), &out);
    api_answer(call->request, 200, "text/plain; charset=utf-8", buf_str(&out));
    buf_deinit(&out);
}

static void answer(struct api_call *call, const struct exemplars *e)
{
    const char *format = call_query(call, "format");
    json_t *query = api_queries(call->request);
    struct asked a;

    if (format && strcmp(format, "text") == 0) {
        answer_text(call, e);
    } else if (read_asked(call, &a)) {
        a.regions = json_object_get(query, "region");
        answer_page(call->request, e, &a);
    }
    json_decref(query);
}

/* --- of one in the store -------------------------------------------------------------------- */

static void add_one(void *arg, const struct store_exemplar *e)
{
    json_array_append_new(((struct stored *)arg)->json, view_exemplar(e));
}

static void ignore_run(void *arg, const struct store_run *run)
{
    (void)arg;
    (void)run;
}

static int read_stored(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    const char *run = stored_path(q, "run");
    struct store_exemplar_filter filter = {
        .run = run, .kind = stored_param(q, "kind"), .regions = stored_list(q, "region")};
    struct store_page page;
    int more = store_get_run(s, run, ignore_run, NULL, d); /* there is such a run */

    if (more == 0)
        more = stored_check_words(q, "kind", "slow failed", d);
    if (more == 0)
        more = stored_page(q, &page, d);
    if (more || stored_number(q, "from", &filter.from, INT64_MAX, d) ||
        stored_number(q, "to", &filter.to, INT64_MAX, d))
        return more ? more : ERR_INVALID;
    q->json = json_array();
    more = store_list_exemplars(s, &filter, &page, add_one, q, d);
    if (more < 0)
        return more;
    stored_end_page(q, &page, more);
    return 0;
}

void results_exemplars(struct api_call *call)
{
    const struct fleet_run *run = call_fleet_run(call);

    if (run)
        answer(call, fleet_run_exemplars(run));
    else
        stored_start(call, read_stored, NULL);
}

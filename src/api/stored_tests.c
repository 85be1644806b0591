/* Tests and the versions of their scripts. */
#include <stdio.h>
#include <string.h>

#include "api/fleet_views.h"
#include "api/server.h"
#include "api/stored_internal.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/test.h"

static json_t *parsed(const char *text)
{
    json_t *json = json_loads(text && text[0] ? text : "{}", 0, NULL);

    return json ? json : json_object();
}

static json_t *text_or_null(const char *text)
{
    return text && text[0] ? json_string(text) : json_null();
}

static json_t *test_json(const struct store_test *t)
{
    json_t *last = !t->last_run.id
                       ? json_null()
                       : json_pack("{s:s, s:s, s:o, s:o}", "id", t->last_run.id, "phase",
                                   t->last_run.phase, "result", text_or_null(t->last_run.result),
                                   "started_at", view_time(t->last_run.started));

    return json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:o}", "id", t->id, "name", t->name,
        "description", t->description ? t->description : "", "labels", parsed(t->labels),
        "created_at", view_time(t->created), "updated_at", view_time(t->updated), "latest_version",
        t->latest_version ? json_integer(t->latest_version) : json_null(), "run_count",
        (json_int_t)t->run_count, "baseline", text_or_null(t->baseline), "last_run", last);
}

static void add_test(void *arg, const struct store_test *t)
{
    json_array_append_new(((struct stored *)arg)->json, test_json(t));
}

static void set_test(void *arg, const struct store_test *t)
{
    ((struct stored *)arg)->json = test_json(t);
}

static json_t *version_json(const struct store_version *v)
{
    char hash[2 * STORE_SHA256_SIZE + 1];
    json_t *json;

    for (size_t i = 0; i < STORE_SHA256_SIZE; i++)
        snprintf(hash + 2 * i, 3, "%02x", v->sha256[i]);
    json = json_pack("{s:I, s:s, s:s, s:I, s:s, s:o, s:s}", "version", (json_int_t)v->version,
                     "kind", v->kind, "filename", v->filename, "bytes", (json_int_t)v->bytes,
                     "sha256", hash, "created_at", view_time(v->created), "created_by",
                     v->created_by ? v->created_by : "");
    if (v->found && strlen(v->found) > 2)
        json_object_set_new(json, "found", parsed(v->found));
    return json;
}

static void add_version(void *arg, const struct store_version *v)
{
    json_array_append_new(((struct stored *)arg)->json, version_json(v));
}

static void set_version(void *arg, const struct store_version *v)
{
    ((struct stored *)arg)->json = version_json(v);
}

static void set_content(void *arg, struct str content)
{
    struct stored *q = arg;

    q->text = arena_str(&q->arena, content).ptr;
    q->len = content.len;
}

/* --- reading -------------------------------------------------------------------------------- */

static int read_tests(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    struct store_test_filter filter = {.text = stored_param(q, "q")};
    struct store_page page;
    int more = stored_page(q, &page, d);

    if (more == 0)
        more = stored_labels(q, &filter.labels, d);
    if (more)
        return more;
    q->json = json_array();
    more = store_list_tests(s, &filter, &page, add_test, q, d);
    if (more < 0)
        return more;
    stored_end_page(q, &page, more);
    return 0;
}

int stored_load_test(struct stored *q, struct store *s, const char *id, struct diag *d)
{
    return store_get_test(s, id, set_test, q, d);
}

int stored_load_version(struct stored *q, struct store *s, const char *test, int64_t version,
                        struct diag *d)
{
    return store_get_version(s, test, version, set_version, q, d);
}

static int read_test(struct store *s, void *arg, struct diag *d)
{
    return stored_load_test(arg, s, stored_path(arg, "test"), d);
}

static int read_versions(struct store *s, void *arg, struct diag *d)
{
    struct stored *q = arg;
    struct store_page page;
    int more = stored_page(q, &page, d);

    if (more)
        return more;
    q->json = json_array();
    more = store_list_versions(s, stored_path(q, "test"), &page, add_version, q, d);
    if (more < 0)
        return more;
    stored_end_page(q, &page, more);
    return 0;
}

static void name_type(void *arg, const struct store_version *v)
{
    struct stored *q = arg;
    bool typed = str_ends_with(str_of(v->filename), STR(".ts"));

    q->type = strcmp(v->kind, "archive") == 0 ? "application/x-tar"
              : typed                         ? "text/typescript"
                                              : "text/javascript";
}

/* The number that the path names; 0: the latest. */
static int version_of(const struct stored *q, int64_t *out, struct diag *d)
{
    const char *text = stored_path(q, "version");
    uint64_t version = 0;

    if (strcmp(text, "latest") != 0 &&
        (!str_to_u64(str_of(text), &version) || version == 0 || version > INT32_MAX))
        return diag_set(d, ERR_NOT_FOUND, "there is no version '%s': a number from 1 on, or latest",
                        text);
    *out = (int64_t)version;
    return 0;
}

static int read_version(struct store *s, void *arg, struct diag *d)
{
    const struct stored *q = arg;
    int64_t version = 0;
    int err = version_of(q, &version, d);

    return err ? err : store_get_version(s, stored_path(q, "test"), version, set_version, arg, d);
}

static int read_content(struct store *s, void *arg, struct diag *d)
{
    const struct stored *q = arg;
    const char *test = stored_path(q, "test");
    int64_t version = 0;
    int err = version_of(q, &version, d);

    if (err == 0)
        err = store_get_version(s, test, version, name_type, arg, d);
    return err ? err : store_get_content(s, test, version, set_content, arg, d);
}

/* --- handlers ------------------------------------------------------------------------------- */

void tests_list(struct api_call *call)
{
    stored_start(call, read_tests, NULL);
}

void tests_get(struct api_call *call)
{
    stored_start(call, read_test, NULL);
}

void tests_list_versions(struct api_call *call)
{
    stored_start(call, read_versions, NULL);
}

void tests_get_version(struct api_call *call)
{
    stored_start(call, read_version, NULL);
}

void tests_get_content(struct api_call *call)
{
    api_add_header(call->request, "Content-Disposition", "attachment");
    stored_start(call, read_content, NULL);
}

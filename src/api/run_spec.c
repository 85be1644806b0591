#include "api/run_spec.h"

#include <math.h>
#include <string.h>

#include "api/body.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/short_id.h"

enum { MAX_REGION = 63 };

/* Of percents: a third is 33.33. */
#define FORGIVEN_PERCENT 0.05

#define COMMON_FIELDS                                                                              \
    {.name = "version", .kind = BODY_ANY}, {.name = "name", .kind = BODY_TEXT, .max = 200},        \
        {.name = "load", .kind = BODY_WORD, .words = "total per-region"},                          \
        {.name = "regions", .kind = BODY_LIST, .max = PLANNER_MAX_REGIONS},                        \
        {.name = "env", .kind = BODY_TEXTS, .max = 200, .each = 10000},                            \
        {.name = "tags", .kind = BODY_TEXTS, .max = 50, .each = 1000},                             \
        {.name = "options", .kind = BODY_OBJECT},                                                  \
        {.name = "thresholds", .kind = BODY_OBJECT, .max = 200},                                   \
    {                                                                                              \
        .name = "labels", .kind = BODY_TEXTS, .max = 50, .each = 200                               \
    }

static const struct body_field create_fields[] = {
    {.name = "test", .kind = BODY_TEXT, .max = SHORT_ID_SIZE - 1, .is_needed = true},
    COMMON_FIELDS,
    {.name = "notes", .kind = BODY_TEXT, .max = 10000},
    {.name = "on_region_lost", .kind = BODY_WORD, .words = "continue abort"},
};

static const struct body_field rerun_fields[] = {COMMON_FIELDS};

static const struct body_field region_fields[] = {
    {.name = "region", .kind = BODY_TEXT, .max = MAX_REGION, .is_needed = true},
    {.name = "share", .kind = BODY_ANY},
    {.name = "vus", .kind = BODY_INT, .max = 100000000},
    {.name = "agents", .kind = BODY_INT, .max = PLANNER_MAX_AGENTS},
};

static int refuse(struct diag *d, const char *place, const char *message)
{
    diag_set(d, ERR_INVALID, "%s: %s", place + 1, message);
    diag_at(d, place, 0, 0);
    return ERR_INVALID;
}

/* --- shares --------------------------------------------------------------------------------- */

static int check_region(const json_t *region, struct diag *d)
{
    const json_t *share = json_object_get(region, "share");
    const char *name;

    if (!json_is_object(region))
        return refuse(d, "/regions",
                      "its items must be objects such as {\"region\": "
                      "\"us-east-1\", \"share\": 50}");
    if (body_check(region, region_fields, COUNT_OF(region_fields), d)) {
        diag_prefix(d, "regions");
        mem_free(d->file);
        d->file = mem_strdup("/regions");
        return ERR_INVALID;
    }
    name = body_text(region, "region", "");
    if (strpbrk(name, ",=/% "))
        return refuse(d, "/regions", "a region's name has letters, digits, '-', '_' and '.'");
    if (share &&
        !(json_is_number(share) && json_number_value(share) > 0 && json_number_value(share) <= 100))
        return refuse(d, "/regions", "a share is above 0 and at most 100");
    if (share && json_object_get(region, "vus"))
        return refuse(d, "/regions", "give a region a share or VUs, not both");
    return 0;
}

/* Whether percents are as exact as they can be, and not quite 100. */
static bool is_rounded(const json_t *regions)
{
    double sum = 0;
    json_t *region;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)regions, i, region) sum +=
        json_number_value(json_object_get(region, "share"));
    return fabs(sum - 100) > 1e-9 && fabs(sum - 100) < FORGIVEN_PERCENT;
}

/* As --regions says it. */
static char *regions_text(const json_t *regions)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    bool rounded = is_rounded(regions);
    json_t *region;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)regions, i, region)
    {
        const json_t *share = json_object_get(region, "share");
        const json_t *vus = json_object_get(region, "vus");
        const json_t *agents = json_object_get(region, "agents");

        buf_printf(&text, "%s%s", i ? "," : "", body_text(region, "region", ""));
        if (share)
            buf_printf(&text, "=%.6f%s", json_number_value(share), rounded ? "" : "%");
        if (vus)
            buf_printf(&text, "=%lldvus", (long long)json_integer_value(vus));
        if (agents)
            buf_printf(&text, "/%lld", (long long)json_integer_value(agents));
    }
    return buf_take(&text);
}

static int read_shares(const json_t *spec, bool per_region, struct shares *out, struct diag *d)
{
    const json_t *regions = json_object_get(spec, "regions");
    json_t *region;
    char *text;
    size_t i;
    int err;

    *out = (struct shares){.kind = SHARE_EQUAL, .per_region = per_region};
    if (!regions)
        return 0;
    json_array_foreach((json_t *)(uintptr_t)regions, i, region)
    {
        if (check_region(region, d))
            return ERR_INVALID;
    }
    text = regions_text(regions);
    err = shares_parse(str_of(text), per_region, out, d);
    if (err)
        diag_at(d, "/regions", 0, 0);
    mem_free(text);
    return err;
}

static json_t *shares_json(const struct shares *shares)
{
    json_t *list = json_array();
    double sum = 0;

    for (size_t i = 0; i < shares->count; i++)
        sum += (double)shares->list[i].weight;
    for (size_t i = 0; i < shares->count; i++) {
        const struct region_share *share = &shares->list[i];
        json_t *region = json_pack("{s:s}", "region", share->region);

        if (shares->kind == SHARE_VUS)
            json_object_set_new(region, "vus", json_integer((json_int_t)share->weight));
        else if (shares->kind != SHARE_EQUAL)
            json_object_set_new(region, "share", json_real(100 * (double)share->weight / sum));
        if (share->agents)
            json_object_set_new(region, "agents", json_integer(share->agents));
        json_array_append_new(list, region);
    }
    return list;
}

int run_spec_regions(const json_t *body, bool per_region, struct shares *out, struct diag *d)
{
    static const struct body_field fields[] = {
        {.name = "regions", .kind = BODY_LIST, .max = PLANNER_MAX_REGIONS, .is_needed = true},
    };

    if (body_check(body, fields, COUNT_OF(fields), d))
        return ERR_INVALID;
    return read_shares(body, per_region, out, d);
}

bool run_spec_is_per_region(const json_t *spec)
{
    return strcmp(body_text(spec, "load", "total"), "per-region") == 0;
}

/* --- the whole ------------------------------------------------------------------------------ */

static int read_version(const json_t *spec, int64_t *out, struct diag *d)
{
    const json_t *version = json_object_get(spec, "version");
    const char *word = json_string_value(version);

    *out = 0;
    if (!version || (word && strcmp(word, "latest") == 0))
        return 0;
    if (!json_is_integer(version) || json_integer_value(version) < 1 ||
        json_integer_value(version) > INT32_MAX)
        return refuse(d, "/version", "it must be a number from 1 on, or \"latest\"");
    *out = json_integer_value(version);
    return 0;
}

static int check_env(const json_t *env, struct diag *d)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)env, name, value)
    {
        if (name[0] == '\0' || strchr(name, '='))
            return refuse(d, "/env", "a name is not empty and has no '='");
    }
    return 0;
}

static int check_thresholds(const json_t *thresholds, struct diag *d)
{
    const char *selector;
    json_t *list;

    json_object_foreach((json_t *)(uintptr_t)thresholds, selector, list)
    {
        if (!json_is_array(list))
            return refuse(d, "/thresholds",
                          "each selector has an array, as in "
                          "{\"http_req_failed\": [\"rate<0.01\"]}");
    }
    return 0;
}

int run_spec_check(const json_t *spec, struct shares *shares, int64_t *version, struct diag *d)
{
    int err = body_check(spec, create_fields, COUNT_OF(create_fields), d);

    if (err == 0)
        err = read_version(spec, version, d);
    if (err == 0)
        err = check_env(json_object_get(spec, "env"), d);
    if (err == 0)
        err = check_thresholds(json_object_get(spec, "thresholds"), d);
    return err ? err : read_shares(spec, run_spec_is_per_region(spec), shares, d);
}

int run_spec_change(json_t *spec, const json_t *changes, struct diag *d)
{
    int err = body_check(changes, rerun_fields, COUNT_OF(rerun_fields), d);

    if (err == 0)
        json_object_update(spec, (json_t *)(uintptr_t)changes);
    return err;
}

int run_spec_of_query(const struct api_call *call, struct shares *shares, json_t **spec,
                      struct diag *d)
{
    const char *regions = call_query(call, "regions");
    const char *load = call_query(call, "load");
    const char *lost = call_query(call, "on_region_lost");
    bool per_region = load && strcmp(load, "per-region") == 0;
    int err = 0;

    if (load && !per_region && strcmp(load, "total") != 0)
        return diag_set(d, ERR_INVALID, "load: '%s' is none: total or per-region", load);
    if (lost && strcmp(lost, "continue") != 0 && strcmp(lost, "abort") != 0)
        return diag_set(d, ERR_INVALID, "on_region_lost: '%s' is none: continue or abort", lost);
    *shares = (struct shares){.kind = SHARE_EQUAL, .per_region = per_region};
    if (regions)
        err = shares_parse(str_of(regions), per_region, shares, d);
    if (err)
        return err;
    *spec = json_pack("{s:s, s:s}", "load", load ? load : "total", "on_region_lost",
                      lost ? lost : "continue");
    if (regions)
        json_object_set_new(*spec, "regions", shares_json(shares));
    return 0;
}

/* --- refusals ------------------------------------------------------------------------------- */

/* The planner's words (fleet/planner.c). */
static const char *reason_of(struct str line)
{
    if (str_find_str(line, STR(" has no agents")) >= 0)
        return "no_agents";
    if (str_find_str(line, STR(" would get none ")) >= 0 ||
        str_find_str(line, STR(", fewer than ")) >= 0)
        return "too_few_vus";
    return "capacity";
}

static json_t *run_spec_refusal(const char *message)
{
    struct str rest = str_of(message);
    json_t *list = json_array();

    while (rest.len > 0) {
        struct str line = str_cut(&rest, '\n');
        struct str words = line;
        struct str first = str_cut(&words, ' ');
        struct str region = str_cut(&words, ' ');
        bool named = str_eq(first, STR("region")) && region.len > 0;

        json_array_append_new(
            list,
            json_pack("{s:o, s:s, s:o}", "region",
                      named ? json_stringn_nocheck(region.ptr, region.len) : json_null(), "reason",
                      reason_of(line), "message", json_stringn_nocheck(line.ptr, line.len)));
    }
    return list;
}

void run_spec_refuse(struct api_request *r, int err, const struct diag *d)
{
    const char *message = d->message ? d->message : err_text(err);
    json_t *more;

    if (err == ERR_UNSUPPORTED) {
        api_problem(r, 503, "/problems/not-ready", "Not ready", "%s", message);
        return;
    }
    more = json_pack("{s:o}", "refusal", run_spec_refusal(message));
    api_problem_with(r, 422, "/problems/plan-refused", "The plan was refused", more, "%s", message);
}

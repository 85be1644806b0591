#include "cli/policy_file.h"

#include <jansson.h>
#include <string.h>

#include "base/err.h"
#include "net/bandwidth.h"
#include "net/policy.h"

static struct str text_of(const json_t *json)
{
    return str_from(json_string_value(json), json_string_length(json));
}

/* `list` NULL: it was left out. */
static int read_rules(struct policy *p, const char *key, const json_t *list,
                      int (*add)(struct policy *p, struct str rule, struct diag *d), struct diag *d)
{
    json_t *rule;
    size_t i;

    if (!list)
        return 0;
    if (!json_is_array(list))
        return diag_set(d, ERR_INVALID, "%s: a list of rules, as in [\"10.0.0.0/8\"]", key);
    json_array_foreach(list, i, rule)
    {
        int err = json_is_string(rule)
                      ? add(p, text_of(rule), d)
                      : diag_set(d, ERR_INVALID, "a rule is a text, as in \"10.0.0.0/8\"");

        if (err) {
            diag_prefix(d, "%s, entry %zu", key, i + 1);
            return err;
        }
    }
    return 0;
}

static int read_limits(const json_t *all, struct policy_limits *limits, struct diag *d)
{
    const json_t *vus = json_object_get(all, "maxVUs");
    const json_t *rate = json_object_get(all, "maxRate");
    const json_t *bandwidth = json_object_get(all, "maxBandwidth");

    if (vus && !(json_is_integer(vus) && json_integer_value(vus) > 0))
        return diag_set(d, ERR_INVALID, "maxVUs: a number from 1");
    if (rate && !(json_number_value(rate) > 0))
        return diag_set(d, ERR_INVALID, "maxRate: iterations per second, above 0");
    if (bandwidth &&
        (!json_is_string(bandwidth) || rate_parse(text_of(bandwidth), &limits->bandwidth)))
        return diag_set(d, ERR_INVALID,
                        "maxBandwidth: bits per second from \"1kbit\" to "
                        "\"1000gbit\", as in \"100mbit\"");
    limits->max_vus = (uint64_t)json_integer_value(vus);
    limits->max_rate = json_number_value(rate);
    return 0;
}

static int check_keys(const json_t *all, struct diag *d)
{
    static const char *const known[] = {"allow",   "deny",         "maxVUs",
                                        "maxRate", "maxBandwidth", "allowMetadata"};
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)all, key, value)
    {
        size_t i = 0;

        while (i < COUNT_OF(known) && strcmp(key, known[i]) != 0)
            i++;
        if (i == COUNT_OF(known))
            return diag_set(d, ERR_INVALID,
                            "%s: a policy has allow, deny, maxVUs, maxRate, maxBandwidth and "
                            "allowMetadata",
                            key);
    }
    return 0;
}

static int read_policy(const json_t *all, struct policy *p, struct policy_limits *limits,
                       struct diag *d)
{
    const json_t *metadata = json_object_get(all, "allowMetadata");
    const json_t *allow = json_object_get(all, "allow");
    int err = json_is_object(all) ? check_keys(all, d)
                                  : diag_set(d, ERR_INVALID, "a policy is a JSON object");

    if (err == 0)
        err = read_rules(p, "allow", allow, policy_allow, d);
    if (err == 0)
        err = read_rules(p, "deny", json_object_get(all, "deny"), policy_deny, d);
    if (err == 0 && metadata && !json_is_boolean(metadata))
        err = diag_set(d, ERR_INVALID, "allowMetadata: true or false");
    if (err == 0)
        err = read_limits(all, limits, d);
    if (allow)
        policy_allow_only(p);
    if (json_is_true(metadata))
        policy_allow_metadata(p);
    return err;
}

int policy_file_read(const char *path, struct policy **out, struct policy_limits *limits,
                     struct diag *d)
{
    json_error_t error;
    json_t *all = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    struct policy_limits found = {0, 0, 0};
    struct policy *p;
    int err;

    if (!all) {
        err = diag_set(d, ERR_INVALID, "policy: %s", error.text);
        diag_at(d, path, error.line > 0 ? error.line : 0, error.line > 0 ? error.column : 0);
        return err;
    }
    p = policy_new(path);
    err = read_policy(all, p, &found, d);
    json_decref(all);
    if (err) {
        diag_prefix(d, "policy %s", path);
        policy_free(p);
        return err;
    }
    *out = p;
    *limits = found;
    return 0;
}

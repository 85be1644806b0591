#include "engine/options_read.h"

#include <ctype.h>
#include <math.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"

/* What fits 63 bits of nanoseconds. */
static const double DURATION_MAX_MSEC = 9.2e12;

static int want(struct diag *d, const char *what, const json_t *got)
{
    char *text = got ? json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    int err = diag_set(d, ERR_INVALID, "expected %s, got %.80s", what, text ? text : "nothing");

    free(text);
    return err;
}

int options_json_nsec(const json_t *json, int64_t *nsec, struct diag *d)
{
    if (json_is_number(json) && fabs(json_number_value(json)) < DURATION_MAX_MSEC) {
        *nsec = (int64_t)(json_number_value(json) * 1e6);
        return 0;
    }
    if (json_is_string(json) &&
        duration_parse_msec(str_from(json_string_value(json), json_string_length(json)), nsec) == 0)
        return 0;
    return want(d, "a duration as in '1m30s', or a number of milliseconds", json);
}

/* --- checking ----------------------------------------------------------------------------- */

static int check_duration(const json_t *in, json_t **out, struct diag *d)
{
    char text[48];
    int64_t nsec = 0;
    int err = options_json_nsec(in, &nsec, d);

    if (err)
        return err;
    if (nsec < 0)
        return want(d, "a duration that is not negative", in);
    *out = json_string(duration_format(nsec, text, sizeof text));
    return 0;
}

/* The digits of `vus: __ENV.VUS` are a number, as in k6. */
static int check_int(const json_t *in, json_t **out, struct diag *d)
{
    double real = json_number_value(in);
    bool is_number = json_is_string(in) ? str_to_double(str_of(json_string_value(in)), &real)
                                        : json_is_number(in);

    if (!is_number || fabs(real) > 9e15 || real != (double)(int64_t)real)
        return want(d, "a whole number", in);
    if (real < 0)
        return want(d, "a number that is not negative", in);
    *out = json_integer((json_int_t)real);
    return 0;
}

static int check_size(const json_t *in, json_t **out, struct diag *d)
{
    int64_t bytes;

    if (json_is_number(in))
        return check_int(in, out, d);
    if (!json_is_string(in) || !option_parse_size(str_of(json_string_value(in)), &bytes))
        return want(d, "a size as in 512MB", in);
    *out = json_integer(bytes);
    return 0;
}

static int check_strings(const json_t *in, json_t **out, struct diag *d)
{
    size_t i;
    json_t *item;

    if (!json_is_array(in))
        return want(d, "an array of strings", in);
    json_array_foreach(in, i, item)
    {
        if (!json_is_string(item))
            return want(d, "an array of strings", in);
    }
    *out = json_deep_copy(in);
    return 0;
}

static int check_map(const json_t *in, json_t **out, struct diag *d)
{
    const char *key;
    json_t *value;

    if (!json_is_object(in))
        return want(d, "an object", in);
    *out = json_object();
    json_object_foreach((json_t *)(uintptr_t)in, key, value)
    {
        json_t *text = NULL;

        if (json_is_string(value))
            text = json_incref(value);
        else if (json_is_number(value) || json_is_boolean(value)) {
            char *plain = json_dumps(value, JSON_ENCODE_ANY);

            text = json_string(plain);
            free(plain);
        }
        if (!text) {
            json_decref(*out);
            want(d, "a text", value);
            diag_prefix(d, "'%s'", key);
            return ERR_INVALID;
        }
        json_object_set_new(*out, key, text);
    }
    return 0;
}

static int check_stage(const json_t *in, json_t **out, struct diag *d)
{
    json_t *duration = NULL;
    json_t *target = NULL;
    const json_t *given;
    int err;

    if (!json_is_object(in))
        return want(d, "stages as in {duration: '1m', target: 10}", in);
    given = json_object_get(in, "duration");
    if (!given)
        return want(d, "a duration in each stage", in);
    err = check_duration(given, &duration, d);
    given = json_object_get(in, "target");
    if (err == 0)
        err = given ? check_int(given, &target, d) : want(d, "a target in each stage", in);
    if (err) {
        json_decref(duration);
        return err;
    }
    *out = json_object();
    json_object_set_new(*out, "duration", duration);
    json_object_set_new(*out, "target", target);
    return 0;
}

static int check_stages(const json_t *in, json_t **out, struct diag *d)
{
    size_t i;
    json_t *item;

    if (!json_is_array(in))
        return want(d, "an array of stages", in);
    *out = json_array();
    json_array_foreach(in, i, item)
    {
        json_t *stage = NULL;
        int err = check_stage(item, &stage, d);

        if (err) {
            json_decref(*out);
            diag_prefix(d, "stage %zu", i + 1);
            return err;
        }
        json_array_append_new(*out, stage);
    }
    return 0;
}

/* A string, or an object around one. */
static int check_threshold(const json_t *in, struct diag *d)
{
    static const char *const durations[] = {"delayAbortEval", "window", "for"};
    const char *key;
    json_t *value;

    if (json_is_string(in))
        return 0;
    if (!json_is_object(in) || !json_is_string(json_object_get(in, "threshold")))
        return want(d, "an expression as in 'p(95)<500', or {threshold: '...'}", in);
    json_object_foreach((json_t *)(uintptr_t)in, key, value)
    {
        bool known = strcmp(key, "threshold") == 0 || strcmp(key, "abortOnFail") == 0;
        int64_t nsec;

        for (size_t i = 0; i < COUNT_OF(durations); i++) {
            if (strcmp(key, durations[i]) != 0)
                continue;
            known = true;
            if (!json_is_null(value) && options_json_nsec(value, &nsec, d))
                return ERR_INVALID;
        }
        if (!known)
            return diag_set(d, ERR_INVALID,
                            "unknown field '%s': a threshold has threshold, abortOnFail, "
                            "delayAbortEval, window and for",
                            key);
    }
    return 0;
}

/* gale's short form: a bare expression in place of an array becomes an array of one. */
static int check_thresholds(const json_t *in, json_t **out, struct diag *d)
{
    const char *key;
    json_t *value;

    if (!json_is_object(in))
        return want(d, "an object of metric names", in);
    *out = json_object();
    json_object_foreach((json_t *)(uintptr_t)in, key, value)
    {
        json_t *list = json_is_array(value) ? json_deep_copy(value) : json_array();
        json_t *item;
        size_t i;
        int err = 0;

        if (!json_is_array(value))
            json_array_append(list, value);
        json_array_foreach(list, i, item)
        {
            err = check_threshold(item, d);
            if (err)
                break;
        }
        json_object_set_new(*out, key, list);
        if (err) {
            json_decref(*out);
            diag_prefix(d, "'%s'", key);
            return err;
        }
    }
    return 0;
}

static int check_dns(const json_t *in, json_t **out, struct diag *d)
{
    static const char *const selects[] = {"first", "random", "roundRobin"};
    static const char *const policies[] = {"preferIPv4", "preferIPv6", "onlyIPv4", "onlyIPv6",
                                           "any"};
    const char *key;
    json_t *value;

    if (!json_is_object(in))
        return want(d, "an object with ttl, select and policy", in);
    json_object_foreach((json_t *)(uintptr_t)in, key, value)
    {
        const char *text = json_string_value(value);
        bool ok = json_is_null(value);
        int64_t nsec;

        if (strcmp(key, "ttl") == 0)
            ok = ok || (text && (strcmp(text, "inf") == 0)) ||
                 options_json_nsec(value, &nsec, NULL) == 0;
        else if (strcmp(key, "select") == 0)
            for (size_t i = 0; i < COUNT_OF(selects); i++)
                ok = ok || (text && strcmp(text, selects[i]) == 0);
        else if (strcmp(key, "policy") == 0)
            for (size_t i = 0; i < COUNT_OF(policies); i++)
                ok = ok || (text && strcmp(text, policies[i]) == 0);
        if (!ok) {
            want(d,
                 "ttl as in '5m', select first, random or roundRobin, policy preferIPv4, "
                 "preferIPv6, onlyIPv4, onlyIPv6 or any",
                 in);
            return ERR_INVALID;
        }
    }
    *out = json_deep_copy(in);
    return 0;
}

static bool is_tls_version(const json_t *json)
{
    const char *text = json_string_value(json);

    return json_is_null(json) || !json ||
           (text && strlen(text) == 6 && strncmp(text, "tls1.", 5) == 0 && text[5] >= '0' &&
            text[5] <= '3');
}

static int check_tls_version(const json_t *in, json_t **out, struct diag *d)
{
    const json_t *min = json_is_object(in) ? json_object_get(in, "min") : in;
    const json_t *max = json_is_object(in) ? json_object_get(in, "max") : in;

    if (json_is_null(in) || !is_tls_version(min) || !is_tls_version(max) ||
        !(json_is_object(in) || json_is_string(in)))
        return want(d, "'tls1.0' to 'tls1.3', or {min, max} of these", in);
    *out = json_object();
    json_object_set(*out, "min", (json_t *)(uintptr_t)min);
    json_object_set(*out, "max", (json_t *)(uintptr_t)max);
    return 0;
}

static int check_tls_auth(const json_t *in, json_t **out, struct diag *d)
{
    size_t i;
    json_t *item;

    if (!json_is_array(in))
        return want(d, "an array of {cert, key, password, domains}", in);
    json_array_foreach(in, i, item)
    {
        if (!json_is_string(json_object_get(item, "cert")) ||
            !json_is_string(json_object_get(item, "key")))
            return diag_set(d, ERR_INVALID, "entry %zu: cert and key must be PEM texts", i + 1);
    }
    *out = json_deep_copy(in);
    return 0;
}

/* A name, or the fields of k6's former tracing module. */
static int check_tracing(const json_t *in, json_t **out, struct diag *d)
{
    static const char *const names[] = {"w3c", "b3", "jaeger", "datadog"};
    const json_t *name = json_is_object(in) ? json_object_get(in, "propagator") : in;
    const json_t *sampling = json_object_get(in, "sampling");
    const char *text = name ? json_string_value(name) : "w3c";
    bool ok = false;

    for (size_t i = 0; text && i < COUNT_OF(names); i++)
        ok = ok || strcmp(text, names[i]) == 0;
    if (!ok || (!json_is_object(in) && !json_is_string(in)))
        return want(d, "w3c, b3, jaeger or datadog, or {propagator, sampling} with one of them",
                    in);
    if (sampling && !json_is_null(sampling) &&
        !(json_is_number(sampling) && json_number_value(sampling) >= 0 &&
          json_number_value(sampling) <= 1))
        return want(d, "a sampling from 0 to 1", sampling);
    *out = json_pack("{s:s, s:f}", "propagator", text, "sampling",
                     json_is_number(sampling) ? json_number_value(sampling) : 1.0);
    return 0;
}

int option_check(enum option_kind kind, const json_t *in, json_t **out, struct diag *d)
{
    switch (kind) {
    case OPTION_KIND_BOOL:
        if (!json_is_boolean(in))
            return want(d, "true or false", in);
        break;
    case OPTION_KIND_INT:
        return check_int(in, out, d);
    case OPTION_KIND_SIZE:
        return check_size(in, out, d);
    case OPTION_KIND_STRING:
        if (!json_is_string(in))
            return want(d, "a text", in);
        break;
    case OPTION_KIND_STRINGS:
        return check_strings(in, out, d);
    case OPTION_KIND_DURATION:
        return check_duration(in, out, d);
    case OPTION_KIND_STAGES:
        return check_stages(in, out, d);
    case OPTION_KIND_SCENARIOS:
        if (!json_is_object(in))
            return want(d, "an object of scenarios", in);
        break;
    case OPTION_KIND_THRESHOLDS:
        return check_thresholds(in, out, d);
    case OPTION_KIND_MAP:
        return check_map(in, out, d);
    case OPTION_KIND_DNS:
        return check_dns(in, out, d);
    case OPTION_KIND_TLS_VERSION:
        return check_tls_version(in, out, d);
    case OPTION_KIND_TLS_AUTH:
        return check_tls_auth(in, out, d);
    case OPTION_KIND_TRACING:
        return check_tracing(in, out, d);
    case OPTION_KIND_OBJECT:
        break;
    }
    *out = json_deep_copy(in);
    return 0;
}

/* --- text --------------------------------------------------------------------------------- */

bool option_parse_size(struct str text, int64_t *out)
{
    static const struct {
        const char *name;
        double bytes;
    } units[] = {{"", 1},        {"b", 1},          {"kb", 1e3},         {"mb", 1e6},
                 {"gb", 1e9},    {"k", 1e3},        {"m", 1e6},          {"g", 1e9},
                 {"kib", 1024.}, {"mib", 1048576.}, {"gib", 1073741824.}};
    size_t digits = 0;
    double number;

    while (digits < text.len &&
           (isdigit((unsigned char)text.ptr[digits]) || text.ptr[digits] == '.'))
        digits++;
    if (!str_to_double(str_slice(text, 0, digits), &number))
        return false;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (str_eq_nocase(str_trim(str_from_index(text, digits)), str_of(units[i].name)) &&
            number * units[i].bytes < 9e18) {
            *out = (int64_t)(number * units[i].bytes);
            return true;
        }
    }
    return false;
}

static json_t *string_of(struct str s)
{
    return json_stringn(s.ptr ? s.ptr : "", s.len);
}

static int bool_from_text(struct str text, json_t **out, struct diag *d)
{
    if (text.len == 0 || str_eq_c(text, "true") || str_eq_c(text, "1"))
        *out = json_true();
    else if (str_eq_c(text, "false") || str_eq_c(text, "0"))
        *out = json_false();
    else
        return diag_set(d, ERR_INVALID, "expected true or false, got '%.*s'", STR_ARG(text));
    return 0;
}

/* "10s:5,20s:0" */
static int stages_from_text(struct str text, json_t **out, struct diag *d)
{
    *out = json_array();
    while (text.len > 0) {
        struct str target = str_cut(&text, ',');
        struct str whole = target;
        struct str duration = str_cut(&target, ':');
        uint64_t value = 0;

        if (!target.ptr || !str_to_u64(str_trim(target), &value)) {
            json_decref(*out);
            return diag_set(d, ERR_INVALID, "expected DURATION:TARGET as in 30s:10, got '%.*s'",
                            STR_ARG(whole));
        }
        json_array_append_new(*out,
                              json_pack("{s:o, s:I}", "duration", string_of(str_trim(duration)),
                                        "target", (json_int_t)value));
    }
    return 0;
}

/* "k=v" or "k:v", comma-separated. */
static int map_from_text(struct str text, json_t **out, struct diag *d)
{
    *out = json_object();
    while (text.len > 0) {
        struct str part = str_trim(str_cut(&text, ','));
        size_t at = 0;

        while (at < part.len && part.ptr[at] != '=' && part.ptr[at] != ':')
            at++;
        if (at == 0 || at == part.len) {
            json_decref(*out);
            return diag_set(d, ERR_INVALID, "expected NAME=VALUE, got '%.*s'", STR_ARG(part));
        }
        json_object_setn_new(*out, part.ptr, at, string_of(str_from_index(part, at + 1)));
    }
    return 0;
}

/* "w3c", "w3c,sampling=0.1" */
static int tracing_from_text(struct str text, json_t **out, struct diag *d)
{
    struct str name = str_trim(str_cut(&text, ','));
    struct str sampling = str_trim(text);
    double share = 1;

    if (sampling.len > 0 && !(str_starts_with(sampling, STR("sampling=")) &&
                              str_to_double(str_from_index(sampling, 9), &share)))
        return diag_set(d, ERR_INVALID, "expected FORMAT or FORMAT,sampling=0.1, got '%.*s'",
                        STR_ARG(sampling));
    *out = json_object();
    json_object_set_new(*out, "propagator", string_of(name));
    json_object_set_new(*out, "sampling", json_real(share));
    return 0;
}

int option_from_text(enum option_kind kind, struct str text, json_t **out, struct diag *d)
{
    uint64_t number;
    json_error_t error;

    switch (kind) {
    case OPTION_KIND_BOOL:
        return bool_from_text(text, out, d);
    case OPTION_KIND_INT:
        if (!str_to_u64(text, &number) || number > INT64_MAX)
            return diag_set(d, ERR_INVALID, "expected a whole number, got '%.*s'", STR_ARG(text));
        *out = json_integer((json_int_t)number);
        return 0;
    case OPTION_KIND_STRINGS:
        *out = json_array();
        while (text.len > 0)
            json_array_append_new(*out, string_of(str_trim(str_cut(&text, ','))));
        return 0;
    case OPTION_KIND_DURATION:
        *out = string_of(text);
        return 0;
    case OPTION_KIND_STAGES:
        return stages_from_text(text, out, d);
    case OPTION_KIND_MAP:
    case OPTION_KIND_DNS:
        return map_from_text(text, out, d);
    case OPTION_KIND_TRACING:
        return tracing_from_text(text, out, d);
    case OPTION_KIND_SCENARIOS:
    case OPTION_KIND_THRESHOLDS:
    case OPTION_KIND_TLS_VERSION:
    case OPTION_KIND_TLS_AUTH:
    case OPTION_KIND_OBJECT:
        *out = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, &error);
        return *out ? 0 : diag_set(d, ERR_INVALID, "not JSON: %s", error.text);
    case OPTION_KIND_SIZE:
    case OPTION_KIND_STRING:
        *out = string_of(text);
        return 0;
    }
    return ERR_INVALID;
}

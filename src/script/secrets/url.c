#include "script/secrets/url.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "proto/header.h"

extern char **environ;

/* --- what can be set ---------------------------------------------------------------------- */

enum key_kind { KEY_TEXT, KEY_DURATION, KEY_COUNT };

static const struct key {
    const char *name;
    const char *env; /* behind K6_SECRET_SOURCE_URL_ */
    enum key_kind kind;
    size_t offset;
    uint64_t least; /* of a count */
    uint64_t most;
} keys[] = {
    {"urlTemplate", "URL_TEMPLATE", KEY_TEXT, offsetof(struct secret_url, url_template), 0, 0},
    {"method", "METHOD", KEY_TEXT, offsetof(struct secret_url, method), 0, 0},
    {"responsePath", "RESPONSE_PATH", KEY_TEXT, offsetof(struct secret_url, response_path), 0, 0},
    {"timeout", "TIMEOUT", KEY_DURATION, offsetof(struct secret_url, timeout_nsec), 0, 0},
    {"retryBackoff", "RETRY_BACKOFF", KEY_DURATION, offsetof(struct secret_url, backoff_nsec), 0,
     0},
    {"requestsPerMinuteLimit", "REQUESTS_PER_MINUTE_LIMIT", KEY_COUNT,
     offsetof(struct secret_url, per_minute), 1, 60000000},
    {"requestsBurst", "REQUESTS_BURST", KEY_COUNT, offsetof(struct secret_url, burst), 1, 1000000},
    {"maxRetries", "MAX_RETRIES", KEY_COUNT, offsetof(struct secret_url, retries), 0,
     SECRET_RETRIES_MAX},
};

static const struct str header_prefix = STR_INIT("headers.");
static const struct str env_prefix = STR_INIT("K6_SECRET_SOURCE_URL_");
static const struct str env_header = STR_INIT("HEADER_");

struct secret_url *secret_url_new(void)
{
    struct secret_url *u = mem_zalloc(sizeof *u);

    map_init(&u->headers);
    u->method = mem_strdup("GET");
    u->timeout_nsec = 30 * NSEC_PER_SEC;
    u->backoff_nsec = NSEC_PER_SEC;
    u->per_minute = 300;
    u->burst = 10;
    u->retries = 3;
    return u;
}

void secret_url_free(struct secret_url *u)
{
    if (!u)
        return;
    map_deinit_with(&u->headers, mem_free);
    mem_free(u->url_template);
    mem_free(u->method);
    mem_free(u->response_path);
    mem_free(u);
}

static int unknown_key(struct str name, struct diag *d)
{
    struct buf list = BUF_INIT(4096);
    int err;

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        buf_printf(&list, "%s, ", keys[i].name);
    err = diag_set(d, ERR_INVALID,
                   "--secret-source=url: there is no '%.*s': use %sheaders.NAME, config, name or "
                   "default",
                   STR_ARG(name), list.data);
    buf_deinit(&list);
    return err;
}

static int set_header(struct secret_url *u, struct str name, struct str value, struct diag *d)
{
    if (!header_is_token(name) || !header_is_value(value))
        return diag_set(d, ERR_INVALID,
                        "--secret-source=url: '%.*s' is no header, or its value none",
                        STR_ARG(name));
    mem_free(map_set(&u->headers, name, str_dup(value)));
    return 0;
}

static int set_key(struct secret_url *u, const struct key *key, struct str value, struct diag *d)
{
    void *place = (char *)u + key->offset;
    uint64_t count;
    int64_t nsec;

    switch (key->kind) {
    case KEY_TEXT:
        mem_free(*(char **)place);
        *(char **)place = value.len ? str_dup(value) : NULL;
        return 0;
    case KEY_DURATION:
        if (duration_parse(value, &nsec) || nsec <= 0)
            return diag_set(d, ERR_INVALID,
                            "--secret-source=url: %s: '%.*s' is no duration, as in 30s", key->name,
                            STR_ARG(value));
        *(int64_t *)place = nsec;
        return 0;
    case KEY_COUNT:
        if (!str_to_u64(value, &count) || count < key->least || count > key->most)
            return diag_set(d, ERR_INVALID,
                            "--secret-source=url: %s: '%.*s' is no number from %llu to %llu",
                            key->name, STR_ARG(value), (unsigned long long)key->least,
                            (unsigned long long)key->most);
        *(uint64_t *)place = count;
        return 0;
    }
    return 0;
}

int secret_url_set(struct secret_url *u, struct str name, struct str value, struct diag *d)
{
    if (str_eq_c(name, "config"))
        return 0; /* read before: secret_url_read_file */
    if (str_starts_with(name, header_prefix))
        return set_header(u, str_from_index(name, header_prefix.len), value, d);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (str_eq_c(name, keys[i].name))
            return set_key(u, &keys[i], value, d);
    }
    return unknown_key(name, d);
}

int secret_url_check(const struct secret_url *u, struct diag *d)
{
    if (!u->url_template)
        return diag_set(d, ERR_INVALID,
                        "--secret-source=url: urlTemplate is missing, as in "
                        "url=urlTemplate=https://vault.example/v1/{key}");
    if (!str_starts_with(str_of(u->url_template), STR("https://")) &&
        !str_starts_with(str_of(u->url_template), STR("http://")))
        return diag_set(d, ERR_INVALID,
                        "--secret-source=url: urlTemplate: '%s' begins neither with https:// nor "
                        "with http://",
                        u->url_template);
    return 0;
}

/* --- the environment ---------------------------------------------------------------------- */

/* HEADER_X_API_KEY is the header X-API-KEY. */
static int set_env_header(struct secret_url *u, struct str name, struct str value, struct diag *d)
{
    char *dashed = str_dup(str_from_index(name, env_header.len));
    int err;

    for (char *c = dashed; *c; c++) {
        if (*c == '_')
            *c = '-';
    }
    err = set_header(u, str_of(dashed), value, d);
    mem_free(dashed);
    return err;
}

int secret_url_read_env(struct secret_url *u, struct diag *d)
{
    int err = 0;

    for (char **e = environ; *e && err == 0; e++) {
        struct str value = str_of(*e);
        struct str name = str_cut(&value, '=');

        if (!str_starts_with(name, env_prefix))
            continue;
        name = str_from_index(name, env_prefix.len);
        if (str_starts_with(name, env_header))
            err = set_env_header(u, name, value, d);
        for (size_t i = 0; i < COUNT_OF(keys) && err == 0; i++) {
            if (str_eq_c(name, keys[i].env))
                err = set_key(u, &keys[i], value, d);
        }
        if (err)
            diag_prefix(d, "%.*s%.*s", STR_ARG(env_prefix), STR_ARG(name));
    }
    return err;
}

/* --- the file ----------------------------------------------------------------------------- */

static int set_json(struct secret_url *u, const char *name, const json_t *value, struct diag *d)
{
    char number[32];

    if (json_is_string(value))
        return secret_url_set(u, str_of(name), str_of(json_string_value(value)), d);
    if (json_is_integer(value)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        return secret_url_set(u, str_of(name), str_of(number), d);
    }
    return diag_set(d, ERR_INVALID, "--secret-source=url: %s must be a string or a number", name);
}

static int set_json_headers(struct secret_url *u, const json_t *headers, struct diag *d)
{
    const char *name;
    json_t *value;
    int err = 0;

    json_object_foreach((json_t *)(uintptr_t)headers, name, value)
    {
        char *whole = mem_printf("headers.%s", name);

        if (err == 0)
            err = set_json(u, whole, value, d);
        mem_free(whole);
    }
    return err;
}

int secret_url_read_file(struct secret_url *u, struct str part, struct diag *d)
{
    struct str rest = part;
    const char *name;
    json_error_t error;
    json_t *all;
    json_t *value;
    char *path;
    int err = 0;

    if (!str_eq_c(str_cut(&rest, '='), "config"))
        return 0;
    path = str_dup(rest);
    all = json_load_file(path, 0, &error);
    if (!json_is_object(all)) {
        err = diag_set(d, ERR_INVALID, "--secret-source=url: config: %s",
                       all ? "this is no JSON object" : error.text);
        diag_at(d, path, all ? 1 : error.line, all ? 1 : error.column);
    }
    json_object_foreach(all, name, value)
    {
        if (err == 0)
            err = strcmp(name, "headers") == 0 ? set_json_headers(u, value, d)
                                               : set_json(u, name, value, d);
        if (err)
            diag_at(d, path, 1, 1);
    }
    json_decref(all);
    mem_free(path);
    return err;
}

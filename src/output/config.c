#include "output/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "output/output.h"
#include "proto/url.h"

enum { PEM_MAX = 4 * 1024 * 1024 };

static const char *look_up(char *const *environment, const char *name)
{
    size_t len = strlen(name);

    for (; *environment; environment++) {
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=')
            return *environment + len + 1;
    }
    return NULL;
}

const char *config_text(const struct output_context *c, const char *name, const char *fallback)
{
    const char *value = c->environment ? look_up(c->environment, name) : c->env(name);

    return value && *value ? value : fallback;
}

int config_bool(const struct output_context *c, const char *name, bool *out, struct diag *d)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    const char *value = config_text(c, name, NULL);

    if (!value)
        return 0;
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        bool is_yes = strcmp(value, yes[i]) == 0;

        if (is_yes || strcmp(value, no[i]) == 0) {
            *out = is_yes;
            return 0;
        }
    }
    return diag_set(d, ERR_INVALID, "%s: '%s' is none: use true or false", name, value);
}

int config_nsec(const struct output_context *c, const char *name, int64_t *out, struct diag *d)
{
    const char *value = config_text(c, name, NULL);
    int64_t nsec = 0;
    double ms;

    if (!value)
        return 0;
    if (str_to_double(str_of(value), &ms))
        nsec = nsec_from_sec(ms / 1e3);
    else if (duration_parse(str_of(value), &nsec))
        nsec = 0;
    if (nsec <= 0)
        return diag_set(d, ERR_INVALID, "%s: '%s' is no span of time: use one like 5s", name,
                        value);
    *out = nsec;
    return 0;
}

char *config_description(const char *output, struct str url)
{
    struct arena arena;
    struct url parsed;
    char *text;

    arena_init(&arena);
    if (url_parse(url, &arena, &parsed, NULL) == 0)
        url = url_text(&parsed, URL_USER_DROP, &arena);
    text = mem_printf("%s (%.*s)", output, STR_ARG(url));
    arena_deinit(&arena);
    return text;
}

/* --- headers ------------------------------------------------------------------------------ */

int config_add_header(struct config_headers *h, const char *origin, struct str name,
                      struct str value, struct diag *d)
{
    struct http_header *header;

    name = str_trim(name);
    value = str_trim(value);
    if (!header_is_token(name) || !header_is_value(value))
        return diag_set(d, ERR_INVALID, "%s: '%.*s' is no header field", origin, STR_ARG(name));
    h->list = mem_reallocarray(h->list, h->count + 1, sizeof *h->list);
    header = &h->list[h->count++];
    header->name = str_from(str_dup(name), name.len);
    header->value = str_from(str_dup(value), value.len);
    return 0;
}

int config_add_headers(const struct output_context *c, struct config_headers *h, const char *name,
                       char between, struct diag *d)
{
    struct str rest = str_of(config_text(c, name, ""));

    while (rest.len > 0) {
        struct str value = str_cut(&rest, ',');
        bool has_both = str_find(value, between) >= 0;
        struct str key = str_cut(&value, between);
        int err;

        if (!has_both)
            return diag_set(d, ERR_INVALID, "%s: '%.*s' has no value: use name%cvalue,name%cvalue",
                            name, STR_ARG(key), between, between);
        err = config_add_header(h, name, key, value, d);
        if (err)
            return err;
    }
    return 0;
}

void config_add_basic_auth(struct config_headers *h, struct str user, struct str password)
{
    struct buf plain = BUF_INIT(SIZE_MAX);
    struct buf value = BUF_INIT(SIZE_MAX);

    buf_append_str(&plain, user);
    buf_append_char(&plain, ':');
    buf_append_str(&plain, password);
    buf_append_c(&value, "Basic ");
    base64_encode(buf_str(&plain), BASE64_STD, true, &value);
    (void)!config_add_header(h, "", STR("Authorization"), buf_str(&value), NULL);
    buf_deinit(&plain);
    buf_deinit(&value);
}

void config_headers_deinit(struct config_headers *h)
{
    for (size_t i = 0; i < h->count; i++) {
        mem_free((void *)(uintptr_t)h->list[i].name.ptr);
        mem_free((void *)(uintptr_t)h->list[i].value.ptr);
    }
    mem_free(h->list);
    *h = (struct config_headers){NULL, 0};
}

/* --- TLS ---------------------------------------------------------------------------------- */

static int read_pem(const char *variable, const char *path, struct buf *out, struct diag *d)
{
    FILE *file = fopen(path, "rbe");
    size_t got = 1;
    int err = file ? 0 : -errno;

    buf_init(out, PEM_MAX);
    while (err == 0 && got > 0) {
        char *room = buf_room(out, 4096);

        if (!room) {
            err = ERR_LIMIT;
            break;
        }
        got = fread(room, 1, 4096, file);
        buf_added(out, got);
        if (got == 0 && ferror(file))
            err = errno ? -errno : ERR_INVALID;
    }
    if (file)
        (void)fclose(file);
    return err ? diag_set(d, err, "%s: can't read '%s': %s", variable, path, err_text(err)) : 0;
}

static int add_roots(struct tls_config *tls, const char *variable, const char *path, struct diag *d)
{
    struct buf pem;
    int err = read_pem(variable, path, &pem, d);

    if (err == 0)
        err = tls_config_add_roots(tls, buf_str(&pem), d);
    buf_deinit(&pem);
    return err;
}

static int add_certificate(struct tls_config *tls, const struct config_tls_names *names,
                           const char *certificate, const char *key, struct diag *d)
{
    struct buf cert_pem = BUF_INIT(PEM_MAX);
    struct buf key_pem = BUF_INIT(PEM_MAX);
    int err;

    if (!certificate || !key)
        return diag_set(d, ERR_INVALID, "%s and %s go together: set both or none",
                        names->certificate, names->key);
    err = read_pem(names->certificate, certificate, &cert_pem, d);
    if (err == 0)
        err = read_pem(names->key, key, &key_pem, d);
    if (err == 0) {
        struct tls_client_cert cert = {.cert = buf_str(&cert_pem), .key = buf_str(&key_pem)};

        err = tls_config_add_cert(tls, &cert, d);
    }
    if (err)
        diag_prefix(d, "%s", names->certificate);
    buf_deinit(&cert_pem);
    buf_deinit(&key_pem);
    return err;
}

/* A path means something on the machine that it was written for only. */
static const char *path_of(const struct output_context *c, const char *name)
{
    const char *path = name ? c->env(name) : NULL;

    return path && *path ? path : NULL;
}

int config_tls(const struct output_context *c, const struct config_tls_names *names,
               struct tls_config **out, struct diag *d)
{
    const char *roots = path_of(c, names->roots);
    const char *certificate = path_of(c, names->certificate);
    const char *key = path_of(c, names->key);
    struct tls_config *tls = tls_config_new();
    bool insecure = false;
    int err = config_bool(c, names->insecure, &insecure, d);

    tls_config_set_insecure(tls, insecure);
    if (err == 0 && roots)
        err = add_roots(tls, names->roots, roots, d);
    if (err == 0 && (certificate || key))
        err = add_certificate(tls, names, certificate, key, d);
    if (err) {
        tls_config_free(tls);
        return err;
    }
    *out = tls;
    return 0;
}

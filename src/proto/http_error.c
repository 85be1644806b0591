/* Failures, as scripts and the log see them: k6's codes, its short texts, and Go's long ones. */
#include "base/err.h"
#include "proto/http_internal.h"

/* "Get" of "GET", as Go begins its messages. */
static char *operation(struct str method, struct arena *a)
{
    char *text = arena_alloc(a, method.len + 1);

    for (size_t i = 0; i < method.len; i++) {
        char c = method.ptr[i];

        text[i] = i > 0 && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    text[method.len] = '\0';
    return text;
}

/* k6 has a text of its own for these; for the others it passes on the long one. */
static bool has_short_text(int err)
{
    switch (err) {
    case ERR_TIMEOUT:
    case ERR_DNS_NO_HOST:
    case ERR_BROKEN_PIPE:
    case ERR_DIAL_TIMEOUT:
    case ERR_REFUSED:
    case ERR_RESET:
    case ERR_TLS_NOT_TLS:
    case ERR_TLS_UNKNOWN_AUTHORITY:
    case ERR_TLS_HOSTNAME:
        return true;
    default:
        return false;
    }
}

static bool has_h2_code(int err)
{
    return err == ERR_H2_GOAWAY || err == ERR_H2_STREAM || err == ERR_H2_CONNECTION;
}

/* k6 documentation, "Error codes": after 1610, 1630 and 1650 the RFC's codes follow. */
static int code_of(int err, uint32_t h2_code)
{
    bool is_known = has_h2_code(err) && h2_code_name(h2_code);

    return err_k6_code(err) + (is_known ? 1 + (int)h2_code : 0);
}

static const char *h2_text(int err, uint32_t h2_code, struct arena *a)
{
    const char *name = h2_code_name(h2_code);
    const char *what = err == ERR_H2_GOAWAY   ? "received GoAway"
                       : err == ERR_H2_STREAM ? "stream error"
                                              : "connection error";

    return arena_printf(a, "http2: %s with http2 ErrCode %s", what, name ? name : "unknown");
}

void http_set_error(struct http_chain *c, int err, uint32_t h2_code, const char *why)
{
    struct http_response *out = c->out;
    const char *text = c->diag.message    ? c->diag.message
                       : why              ? why
                       : has_h2_code(err) ? h2_text(err, h2_code, c->arena)
                                          : err_text(err);
    struct str url = url_text(c->url, URL_USER_MASK, c->arena);

    if (err == ERR_TIMEOUT)
        text = err_text(err);
    out->err = err;
    out->error_code = code_of(err, h2_code);
    out->error = str_of(has_short_text(err) ? err_text(err) : arena_strdup(c->arena, text));
    out->error_long = str_of(arena_printf(c->arena, "%s \"%.*s\": %s",
                                          operation(c->method, c->arena), STR_ARG(url), text));
    diag_deinit(&c->diag);
}

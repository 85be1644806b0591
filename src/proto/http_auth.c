/* 401s that the client answers by itself: digest and NTLM. */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/rng.h"
#include "proto/http_internal.h"

static const int64_t filetime_of_1970 = INT64_C(116444736000000000); /* 100 ns since 1601 */

/* A random text for the client's side of a digest. */
static struct str make_cnonce(struct arena *a)
{
    unsigned char bytes[8];
    char *text = arena_alloc(a, sizeof bytes * 2 + 1);

    rng_system(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(text + i * 2, 3, "%02x", bytes[i]);
    return str_from(text, sizeof bytes * 2);
}

static bool answer_digest(struct http_chain *c, const struct http_exchange *x, struct str value)
{
    struct digest_challenge challenge;
    struct digest_request r = {
        .method = c->method,
        .uri = c->url->target,
        .user = c->url->user,
        .password = c->url->password,
        .nc = 1,
    };

    (void)x;
    if (c->auth_step != AUTH_NOT_ASKED || digest_challenge_parse(value, c->arena, &challenge) != 0)
        return false;
    r.cnonce = make_cnonce(c->arena);
    c->authorization = digest_authorization(&challenge, &r, c->arena);
    c->auth_step = AUTH_ANSWERED;
    return true;
}

static bool answer_ntlm(struct http_chain *c, const struct http_exchange *x, struct str value)
{
    struct ntlm_secret secret = {
        .user = c->url->user,
        .password = c->url->password,
        .filetime = (uint64_t)(clock_wall() / 100 + filetime_of_1970),
    };

    if (!str_eq_nocase(str_slice(value, 0, 4), STR("NTLM")))
        return false;
    if (c->auth_step == AUTH_NOT_ASKED) {
        c->authorization = ntlm_negotiate(c->arena);
        c->auth_step = AUTH_NEGOTIATED;
        return true;
    }
    /* The answer is good for this connection alone. */
    if (c->auth_step != AUTH_NEGOTIATED || !x->can_reuse)
        return false;
    rng_system(secret.client_challenge, sizeof secret.client_challenge);
    if (ntlm_authenticate(value, &secret, c->arena, &c->authorization) != 0)
        return false;
    c->auth_step = AUTH_ANSWERED;
    return true;
}

bool http_answer_challenge(struct http_chain *c, const struct http_exchange *x)
{
    enum http_auth auth = c->request->auth;

    if (auth < HTTP_AUTH_DIGEST || !c->url->has_user)
        return false;
    for (size_t i = 0; i < x->response_header_count; i++) {
        const struct http_header *h = &x->response_headers[i];

        if (!str_eq_c(h->name, "Www-Authenticate"))
            continue;
        if (auth == HTTP_AUTH_DIGEST ? answer_digest(c, x, h->value) : answer_ntlm(c, x, h->value))
            return true;
    }
    return false;
}

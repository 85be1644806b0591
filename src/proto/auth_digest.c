/* Digest authentication (RFC 7616, and RFC 2069's form for servers without qop). */
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/auth.h"
#include "proto/header.h"

enum { HEX_MAX = 65 }; /* of SHA-256, with the NUL */

/* --- the challenge ------------------------------------------------------------------------ */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_separators(struct str *s)
{
    while (s->len && (is_space(s->ptr[0]) || s->ptr[0] == ','))
        *s = str_from_index(*s, 1);
}

/* Cuts a quoted string, its escapes undone; false when it does not end. */
static bool cut_quoted(struct str *s, struct arena *a, struct str *out)
{
    char *text = arena_alloc(a, s->len);
    size_t len = 0;

    for (size_t i = 1; i < s->len; i++) {
        if (s->ptr[i] == '"') {
            *out = str_from(text, len);
            *s = str_from_index(*s, i + 1);
            return true;
        }
        if (s->ptr[i] == '\\' && i + 1 < s->len)
            i++;
        text[len++] = s->ptr[i];
    }
    return false;
}

/* Cuts name=value or name="value". */
static bool cut_parameter(struct str *s, struct arena *a, struct str *name, struct str *value)
{
    size_t i = 0;

    while (i < s->len && s->ptr[i] != '=' && s->ptr[i] != ',')
        i++;
    if (i == s->len || s->ptr[i] != '=')
        return false;
    *name = str_trim(str_slice(*s, 0, i));
    *s = str_from_index(*s, i + 1);
    while (s->len && is_space(s->ptr[0]))
        *s = str_from_index(*s, 1);
    if (s->len && s->ptr[0] == '"')
        return cut_quoted(s, a, value);
    for (i = 0; i < s->len && s->ptr[i] != ',' && !is_space(s->ptr[i]);)
        i++;
    *value = str_slice(*s, 0, i);
    *s = str_from_index(*s, i);
    return true;
}

static const char *const algorithms[] = {
    [DIGEST_MD5] = "MD5",
    [DIGEST_MD5_SESS] = "MD5-sess",
    [DIGEST_SHA256] = "SHA-256",
    [DIGEST_SHA256_SESS] = "SHA-256-sess",
    [DIGEST_SHA512_256] = "SHA-512-256",
    [DIGEST_SHA512_256_SESS] = "SHA-512-256-sess",
};

static int read_algorithm(struct str value, struct digest_challenge *c)
{
    c->has_algorithm = true;
    for (size_t i = 0; i < COUNT_OF(algorithms); i++) {
        if (str_eq_nocase(value, str_of(algorithms[i]))) {
            c->algorithm = (enum digest_algorithm)i;
            return 0;
        }
    }
    return ERR_UNSUPPORTED;
}

static int read_parameter(struct str name, struct str value, struct digest_challenge *c)
{
    if (str_eq_nocase(name, STR("realm"))) {
        c->realm = value;
    } else if (str_eq_nocase(name, STR("nonce"))) {
        c->nonce = value;
    } else if (str_eq_nocase(name, STR("opaque"))) {
        c->opaque = value;
        c->has_opaque = true;
    } else if (str_eq_nocase(name, STR("stale"))) {
        c->stale = str_eq_nocase(value, STR("true"));
    } else if (str_eq_nocase(name, STR("userhash"))) {
        c->userhash = str_eq_nocase(value, STR("true"));
    } else if (str_eq_nocase(name, STR("algorithm"))) {
        return read_algorithm(value, c);
    } else if (str_eq_nocase(name, STR("qop"))) {
        c->qop_auth = header_has_token(value, STR("auth"));
        return c->qop_auth || !value.len ? 0 : ERR_UNSUPPORTED;
    }
    return 0;
}

int digest_challenge_parse(struct str value, struct arena *a, struct digest_challenge *out)
{
    struct digest_challenge c = {0};
    struct str rest = str_from_index(value, 6);
    int err = 0;

    if (!str_eq_nocase(str_slice(value, 0, 6), STR("digest")) || !rest.len ||
        !is_space(rest.ptr[0]))
        return ERR_SYNTAX;
    for (skip_separators(&rest); rest.len > 0; skip_separators(&rest)) {
        struct str name;
        struct str text;
        int failed;

        if (!cut_parameter(&rest, a, &name, &text))
            return ERR_SYNTAX;
        failed = read_parameter(name, text, &c);
        err = err ? err : failed;
    }
    if (!c.nonce.len)
        return ERR_SYNTAX;
    if (err == 0)
        *out = c;
    return err;
}

/* --- the answer --------------------------------------------------------------------------- */

static bool is_session(enum digest_algorithm algorithm)
{
    return algorithm == DIGEST_MD5_SESS || algorithm == DIGEST_SHA256_SESS ||
           algorithm == DIGEST_SHA512_256_SESS;
}

static const EVP_MD *hash_of(enum digest_algorithm algorithm)
{
    switch (algorithm) {
    case DIGEST_MD5:
    case DIGEST_MD5_SESS:
        return EVP_md5();
    case DIGEST_SHA256:
    case DIGEST_SHA256_SESS:
        return EVP_sha256();
    default:
        return EVP_sha512_256();
    }
}

/* The hexadecimal hash of the texts joined by colons. */
static struct str hash_joined(enum digest_algorithm algorithm, const struct str *texts,
                              size_t count, struct arena *a)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    char *hex = arena_alloc(a, HEX_MAX);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    /* Cannot fail but for want of memory: the hashes are OpenSSL's own. */
    EVP_DigestInit_ex(ctx, hash_of(algorithm), NULL);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            EVP_DigestUpdate(ctx, ":", 1);
        EVP_DigestUpdate(ctx, texts[i].ptr, texts[i].len);
    }
    EVP_DigestFinal_ex(ctx, hash, &len);
    EVP_MD_CTX_free(ctx);
    for (unsigned i = 0; i < len; i++)
        snprintf(hex + (size_t)i * 2, 3, "%02x", hash[i]);
    return str_from(hex, (size_t)len * 2);
}

static struct str response(const struct digest_challenge *c, const struct digest_request *r,
                           struct str nc, struct arena *a)
{
    struct str a1 = hash_joined(c->algorithm, (struct str[]){r->user, c->realm, r->password}, 3, a);
    struct str a2 = hash_joined(c->algorithm, (struct str[]){r->method, r->uri}, 2, a);

    if (is_session(c->algorithm))
        a1 = hash_joined(c->algorithm, (struct str[]){a1, c->nonce, r->cnonce}, 3, a);
    if (!c->qop_auth)
        return hash_joined(c->algorithm, (struct str[]){a1, c->nonce, a2}, 3, a);
    return hash_joined(c->algorithm, (struct str[]){a1, c->nonce, nc, r->cnonce, STR("auth"), a2},
                       6, a);
}

static void append_quoted(struct buf *out, const char *name, struct str value)
{
    buf_append_c(out, name);
    buf_append_c(out, "=\"");
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\')
            buf_append_char(out, '\\');
        buf_append_char(out, value.ptr[i]);
    }
    buf_append_char(out, '"');
}

struct str digest_authorization(const struct digest_challenge *c, const struct digest_request *r,
                                struct arena *a)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    char nc_text[9];
    struct str nc = {nc_text, 8};
    struct str user = r->user;
    struct str text;

    snprintf(nc_text, sizeof nc_text, "%08x", r->nc);
    if (c->userhash)
        user = hash_joined(c->algorithm, (struct str[]){r->user, c->realm}, 2, a);
    append_quoted(&out, "Digest username", user);
    append_quoted(&out, ", realm", c->realm);
    append_quoted(&out, ", nonce", c->nonce);
    append_quoted(&out, ", uri", r->uri);
    append_quoted(&out, ", response", response(c, r, nc, a));
    if (c->has_algorithm)
        buf_printf(&out, ", algorithm=%s", algorithms[c->algorithm]);
    if (c->has_opaque)
        append_quoted(&out, ", opaque", c->opaque);
    if (c->qop_auth)
        buf_printf(&out, ", qop=auth, nc=%s", nc_text);
    if (c->qop_auth || is_session(c->algorithm))
        append_quoted(&out, ", cnonce", r->cnonce);
    if (c->userhash)
        buf_append_c(&out, ", userhash=true");
    text = arena_str(a, buf_str(&out));
    buf_deinit(&out);
    return text;
}

#include "output/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { HASH_SIZE = 32, DAY_LENGTH = 8 };

static void put_hex(struct buf *out, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf_printf(out, "%02x", bytes[i]);
}

static void put_hash(struct buf *out, struct str text)
{
    unsigned char hash[EVP_MAX_MD_SIZE] = {0};

    EVP_Digest(text.ptr ? text.ptr : "", text.len, hash, NULL, EVP_sha256(), NULL);
    put_hex(out, hash, HASH_SIZE);
}

static void hmac(const void *key, size_t key_len, struct str text, unsigned char *out)
{
    unsigned len = 0;

    HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text.ptr, text.len, out, &len);
}

/* Encoded once more than on the wire, as all services but S3 want it. */
static void put_path(struct buf *out, struct str path)
{
    if (path.len == 0)
        buf_append_char(out, '/');
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("/-._~", c))
            buf_append_char(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

static int by_bytes(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorted; a name without a value gets an empty one. */
static void put_query(struct buf *out, struct str query)
{
    struct str *parts = NULL;
    size_t count = 0;

    while (query.len > 0) {
        parts = mem_reallocarray(parts, count + 1, sizeof *parts);
        parts[count++] = str_cut(&query, '&');
    }
    if (count > 1)
        qsort(parts, count, sizeof *parts, by_bytes);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%.*s%s", i ? "&" : "", STR_ARG(parts[i]),
                   str_find(parts[i], '=') < 0 ? "=" : "");
    mem_free(parts);
}

/* "20150830T123600Z" */
static void put_date(struct buf *out, int64_t wall_nsec)
{
    char text[40];

    clock_rfc3339(wall_nsec, 0, text, sizeof text);
    for (const char *at = text; *at; at++) {
        if (*at != '-' && *at != ':')
            buf_append_char(out, *at);
    }
}

/* What is hashed and signed: the request in a form that both ends agree on. */
static void put_canonical(struct buf *out, const struct sigv4_request *r, struct str date)
{
    buf_append_c(out, "POST\n");
    put_path(out, r->path);
    buf_append_char(out, '\n');
    put_query(out, r->query);
    buf_printf(out, "\nhost:%.*s\nx-amz-date:%.*s\n\nhost;x-amz-date\n", STR_ARG(r->host),
               STR_ARG(date));
    put_hash(out, r->body);
}

static void sign(const struct sigv4_keys *keys, struct str day, struct str text, unsigned char *out)
{
    char *secret = mem_printf("AWS4%.*s", STR_ARG(keys->secret_key));

    hmac(secret, strlen(secret), day, out);
    hmac(out, HASH_SIZE, keys->region, out);
    hmac(out, HASH_SIZE, keys->service, out);
    hmac(out, HASH_SIZE, STR("aws4_request"), out);
    hmac(out, HASH_SIZE, text, out);
    mem_free(secret);
}

void sigv4_sign(const struct sigv4_keys *keys, const struct sigv4_request *request,
                struct buf *date, struct buf *authorization)
{
    struct buf canonical = BUF_INIT(SIZE_MAX);
    struct buf text = BUF_INIT(SIZE_MAX);
    unsigned char signature[HASH_SIZE];
    struct str day;
    char *scope;

    put_date(date, request->wall_nsec);
    day = str_slice(buf_str(date), 0, DAY_LENGTH);
    scope = mem_printf("%.*s/%.*s/%.*s/aws4_request", STR_ARG(day), STR_ARG(keys->region),
                       STR_ARG(keys->service));
    put_canonical(&canonical, request, buf_str(date));
    buf_printf(&text, "AWS4-HMAC-SHA256\n%.*s\n%s\n", STR_ARG(buf_str(date)), scope);
    put_hash(&text, buf_str(&canonical));
    sign(keys, day, buf_str(&text), signature);
    buf_printf(authorization,
               "AWS4-HMAC-SHA256 Credential=%.*s/%s, SignedHeaders=host;x-amz-date, Signature=",
               STR_ARG(keys->access_key), scope);
    put_hex(authorization, signature, sizeof signature);
    mem_free(scope);
    buf_deinit(&canonical);
    buf_deinit(&text);
}

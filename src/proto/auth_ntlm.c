/* NTLM over HTTP: NTLMv2 ([MS-NLMP]). All numbers are little-endian; texts are UTF-16. */
#include <endian.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/auth.h"
#include "proto/auth_internal.h"
#include "proto/md4.h"

enum {
    NEGOTIATE_UNICODE = 0x1,
    REQUEST_TARGET = 0x4,
    NEGOTIATE_NTLM = 0x200,
    ALWAYS_SIGN = 0x8000,
    EXTENDED_SESSION = 0x80000,
    NEGOTIATE_128 = 0x20000000,
};

enum {
    FLAGS = NEGOTIATE_UNICODE | REQUEST_TARGET | NEGOTIATE_NTLM | ALWAYS_SIGN | EXTENDED_SESSION |
            NEGOTIATE_128
};

enum {
    HASH = 16,
    HEADER_3 = 64,      /* bytes of a type 3 message before its payload */
    CHALLENGE_MIN = 32, /* of a type 2 message: up to the server's challenge */
    CHALLENGE_AT = 24,
    TARGET_INFO_AT = 40, /* the descriptor of the target's information */
    MESSAGE_MAX = 64 * 1024,
    AV_TIMESTAMP = 7,
};

static const char signature[8] = "NTLMSSP";

static void put16(struct buf *out, size_t value)
{
    uint16_t le = htole16((uint16_t)value);

    buf_append(out, &le, sizeof le);
}

static void put32(struct buf *out, uint32_t value)
{
    uint32_t le = htole32(value);

    buf_append(out, &le, sizeof le);
}

static size_t get16(struct str s, size_t at)
{
    uint16_t le;

    memcpy(&le, s.ptr + at, sizeof le);
    return le16toh(le);
}

static size_t get32(struct str s, size_t at)
{
    uint32_t le;

    memcpy(&le, s.ptr + at, sizeof le);
    return le32toh(le);
}

/* UTF-8 to UTF-16; a byte that is no UTF-8 becomes U+FFFD. `upper`: ASCII letters in upper case. */
static void put_utf16(struct buf *out, struct str s, bool upper)
{
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.ptr[i];
        size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        uint32_t code = 0xfffd;

        if (!str_is_utf8(str_slice(s, i, i + len)) || i + len > s.len) {
            len = 1;
        } else {
            code = len == 1 ? c : c & (0xffU >> (len + 1));
            for (size_t k = 1; k < len; k++)
                code = code << 6 | ((unsigned char)s.ptr[i + k] & 0x3f);
        }
        i += len;
        if (upper && code >= 'a' && code <= 'z')
            code = code - 'a' + 'A';
        if (code > 0xffff) {
            put16(out, 0xd800 + ((code - 0x10000) >> 10));
            code = 0xdc00 + ((code - 0x10000) & 0x3ff);
        }
        put16(out, code);
    }
}

static void hmac_md5(const void *key, const struct str *parts, size_t count,
                     unsigned char out[HASH])
{
    struct buf joined = BUF_INIT(SIZE_MAX);
    unsigned len = 0;

    for (size_t i = 0; i < count; i++)
        buf_append_str(&joined, parts[i]);
    HMAC(EVP_md5(), key, HASH, (const unsigned char *)buf_str(&joined).ptr, joined.len, out, &len);
    buf_deinit(&joined);
}

struct str ntlm_negotiate(struct arena *a)
{
    struct buf m = BUF_INIT(MESSAGE_MAX);
    struct str text;

    buf_append(&m, signature, sizeof signature);
    put32(&m, 1);
    put32(&m, FLAGS);
    for (int i = 0; i < 4; i++) /* no domain, no workstation */
        put32(&m, 0);
    text = auth_base64("NTLM ", buf_str(&m), a);
    buf_deinit(&m);
    return text;
}

/* --- the server's challenge --------------------------------------------------------------- */

struct challenge {
    char nonce[8];
    struct str info; /* attribute pairs; empty: none */
    char timestamp[8];
    bool has_timestamp;
};

/* Checks the attribute pairs and looks for the timestamp. */
static int read_info(struct challenge *c)
{
    size_t at = 0;

    while (at + 4 <= c->info.len) {
        size_t id = get16(c->info, at);
        size_t len = get16(c->info, at + 2);

        if (id == 0)
            return 0;
        if (len > c->info.len - at - 4)
            return ERR_SYNTAX;
        if (id == AV_TIMESTAMP && len == sizeof c->timestamp) {
            memcpy(c->timestamp, c->info.ptr + at + 4, len);
            c->has_timestamp = true;
        }
        at += 4 + len;
    }
    return c->info.len == 0 ? 0 : ERR_SYNTAX;
}

static int read_challenge(struct str value, struct arena *a, struct challenge *out)
{
    struct str text = str_trim(str_from_index(value, 4));
    struct str m;
    unsigned char *bytes;
    int len;

    if (!str_eq_nocase(str_slice(value, 0, 4), STR("NTLM")) || !text.len ||
        text.len > MESSAGE_MAX || text.len % 4)
        return ERR_SYNTAX;
    bytes = arena_alloc(a, text.len);
    len = EVP_DecodeBlock(bytes, (const unsigned char *)text.ptr, (int)text.len);
    if (len < CHALLENGE_MIN)
        return ERR_SYNTAX;
    m = str_from((char *)bytes, (size_t)len);
    if (memcmp(m.ptr, signature, sizeof signature) != 0 || get32(m, 8) != 2)
        return ERR_SYNTAX;
    memcpy(out->nonce, m.ptr + CHALLENGE_AT, sizeof out->nonce);
    out->has_timestamp = false;
    out->info = STR("");
    if (m.len >= TARGET_INFO_AT + 8) {
        size_t info_len = get16(m, TARGET_INFO_AT);
        size_t info_at = get32(m, TARGET_INFO_AT + 4);

        if (info_at > m.len || info_len > m.len - info_at)
            return ERR_SYNTAX;
        out->info = str_slice(m, info_at, info_at + info_len);
    }
    return read_info(out);
}

/* --- the answer --------------------------------------------------------------------------- */

/* HMAC-MD5 with the password's hash over the user's and domain's names. */
static void make_key(const struct ntlm_secret *s, struct str user, struct str domain,
                     unsigned char out[HASH])
{
    struct buf text = BUF_INIT(SIZE_MAX);
    unsigned char hash[MD4_SIZE];

    put_utf16(&text, s->password, false);
    md4(buf_str(&text).ptr, text.len, hash);
    buf_reset(&text);
    put_utf16(&text, user, true);
    put_utf16(&text, domain, false);
    hmac_md5(hash, (struct str[]){buf_str(&text)}, 1, out);
    buf_deinit(&text);
}

/* What is proven: time, the client's challenge, the server's information. */
static void put_blob(struct buf *out, const struct ntlm_secret *s, const struct challenge *c)
{
    uint64_t now = htole64(s->filetime);

    put32(out, 0x0101);
    put32(out, 0);
    if (c->has_timestamp)
        buf_append(out, c->timestamp, sizeof c->timestamp);
    else
        buf_append(out, &now, sizeof now);
    buf_append(out, s->client_challenge, sizeof s->client_challenge);
    put32(out, 0);
    buf_append_str(out, c->info);
    put32(out, 0);
}

static void put_field(struct buf *out, size_t len, size_t *at)
{
    put16(out, len);
    put16(out, len);
    put32(out, (uint32_t)*at);
    *at += len;
}

struct answer {
    unsigned char lm[24];
    unsigned char proof[HASH];
    struct buf blob;
    struct buf user; /* UTF-16 */
    struct buf domain;
};

static void write_message(const struct answer *n, struct buf *m)
{
    size_t at = HEADER_3;

    buf_append(m, signature, sizeof signature);
    put32(m, 3);
    put_field(m, sizeof n->lm, &at);
    put_field(m, sizeof n->proof + n->blob.len, &at);
    put_field(m, n->domain.len, &at);
    put_field(m, n->user.len, &at);
    put_field(m, 0, &at); /* workstation */
    put_field(m, 0, &at); /* session key */
    put32(m, FLAGS);
    buf_append(m, n->lm, sizeof n->lm);
    buf_append(m, n->proof, sizeof n->proof);
    buf_append_str(m, buf_str(&n->blob));
    buf_append_str(m, buf_str(&n->domain));
    buf_append_str(m, buf_str(&n->user));
}

int ntlm_authenticate(struct str value, const struct ntlm_secret *secret, struct arena *a,
                      struct str *out)
{
    struct challenge c;
    struct answer n = {.blob = BUF_INIT(MESSAGE_MAX),
                       .user = BUF_INIT(MESSAGE_MAX),
                       .domain = BUF_INIT(MESSAGE_MAX)};
    struct buf m = BUF_INIT(MESSAGE_MAX);
    unsigned char key[HASH];
    struct str nonce;
    struct str user = secret->user;
    struct str domain = STR("");
    int err = read_challenge(value, a, &c);

    if (err)
        return err;
    if (str_find(user, '\\') >= 0)
        domain = str_cut(&user, '\\');
    nonce = str_from(c.nonce, sizeof c.nonce);
    make_key(secret, user, domain, key);
    put_blob(&n.blob, secret, &c);
    hmac_md5(key, (struct str[]){nonce, buf_str(&n.blob)}, 2, n.proof);
    memset(n.lm, 0, sizeof n.lm);
    /* [MS-NLMP] 3.1.5.1.2: with a timestamp there is no LM answer. */
    if (!c.has_timestamp) {
        struct str mine = str_from((const char *)secret->client_challenge, 8);

        hmac_md5(key, (struct str[]){nonce, mine}, 2, n.lm);
        memcpy(n.lm + HASH, mine.ptr, mine.len);
    }
    put_utf16(&n.user, user, false);
    put_utf16(&n.domain, domain, false);
    write_message(&n, &m);
    if (buf_is_over(&m) || buf_is_over(&n.blob) || buf_is_over(&n.user) || buf_is_over(&n.domain))
        err = ERR_LIMIT;
    else
        *out = auth_base64("NTLM ", buf_str(&m), a);
    buf_deinit(&m);
    buf_deinit(&n.blob);
    buf_deinit(&n.user);
    buf_deinit(&n.domain);
    return err;
}

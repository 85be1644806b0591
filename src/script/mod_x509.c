/* k6/crypto/x509: certificates in PEM (k6-features.md CRY-04). k6 does not document it; names are
 * those that Go's index of packages lists for k6's module, forms those of the change that brought
 * it (k6 #1014): missing values are empty texts, times ISO 8601, binary values lists of bytes. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "net/addr.h"
#include "script/crypto/pkey.h"
#include "script/host.h"

/* --- reading ------------------------------------------------------------------------------ */

/* OpenSSL would ask at the terminal for the password of an encrypted file. */
static int no_password(char *text, int size, int writing, void *arg)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

/* The certificate in argv[0]; NULL: exception. */
static X509 *read_certificate(JSContext *ctx, int argc, JSValueConst *argv, const char *what)
{
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, host_arg(argc, argv, 0));
    BIO *bio;
    X509 *cert;

    if (!text)
        return NULL;
    bio = len <= INT32_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
    cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    JS_FreeCString(ctx, text);
    ERR_clear_error();
    if (!cert)
        host_throw(ctx, "%s: this is no certificate in PEM (-----BEGIN CERTIFICATE-----)", what);
    return cert;
}

/* --- values ------------------------------------------------------------------------------- */

static JSValue text_of(JSContext *ctx, const ASN1_STRING *s)
{
    unsigned char *utf8 = NULL;
    int len = s ? ASN1_STRING_to_UTF8(&utf8, s) : 0;
    JSValue text = host_string(ctx, str_from((const char *)utf8, len > 0 ? (size_t)len : 0));

    OPENSSL_free(utf8);
    return text;
}

static JSValue bytes_of(JSContext *ctx, struct str bytes)
{
    JSValue list = JS_NewArray(ctx);

    for (size_t i = 0; i < bytes.len && !JS_IsException(list); i++) {
        if (JS_SetPropertyUint32(ctx, list, (uint32_t)i,
                                 JS_NewInt32(ctx, (unsigned char)bytes.ptr[i])) < 0) {
            JS_FreeValue(ctx, list);
            list = JS_EXCEPTION;
        }
    }
    return list;
}

static JSValue time_of(JSContext *ctx, const ASN1_TIME *time)
{
    struct tm tm;
    char text[40];

    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return JS_NewString(ctx, "");
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return JS_NewString(ctx, text);
}

/* --- names -------------------------------------------------------------------------------- */

static const ASN1_STRING *entry_of(const X509_NAME *name, int nid, int *at)
{
    *at = X509_NAME_get_index_by_NID(name, nid, *at);
    return *at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, *at));
}

/* A unit may be named several times. */
static JSValue units_of(JSContext *ctx, const X509_NAME *name)
{
    JSValue list = JS_NewArray(ctx);
    const ASN1_STRING *entry;
    int at = -1;

    for (uint32_t i = 0; (entry = entry_of(name, NID_organizationalUnitName, &at)); i++) {
        if (JS_IsException(list) || JS_SetPropertyUint32(ctx, list, i, text_of(ctx, entry)) < 0) {
            JS_FreeValue(ctx, list);
            return JS_EXCEPTION;
        }
    }
    return list;
}

/* One part of a name: {type: an OID, value}. */
static JSValue part_of(JSContext *ctx, const X509_NAME_ENTRY *entry)
{
    JSValue object = JS_NewObject(ctx);
    char oid[128] = "";

    OBJ_obj2txt(oid, sizeof oid, X509_NAME_ENTRY_get_object(entry), 1);
    if (JS_IsException(object) ||
        (host_set(ctx, object, "type", JS_NewString(ctx, oid)) == 0 &&
         host_set(ctx, object, "value", text_of(ctx, X509_NAME_ENTRY_get_data(entry))) == 0))
        return object;
    JS_FreeValue(ctx, object);
    return JS_EXCEPTION;
}

static JSValue parts_of(JSContext *ctx, const X509_NAME *name)
{
    JSValue list = JS_NewArray(ctx);

    for (int i = 0; i < X509_NAME_entry_count(name) && !JS_IsException(list); i++) {
        JSValue part = part_of(ctx, X509_NAME_get_entry(name, i));

        if (JS_IsException(part) || JS_SetPropertyUint32(ctx, list, (uint32_t)i, part) < 0) {
            JS_FreeValue(ctx, list);
            return JS_EXCEPTION;
        }
    }
    return list;
}

static JSValue name_of(JSContext *ctx, const X509_NAME *name, bool is_subject)
{
    static const struct {
        const char *key;
        int nid;
        bool of_subjects; /* only */
    } entries[] = {
        {"commonName", NID_commonName, false},
        {"country", NID_countryName, false},
        {"postalCode", NID_postalCode, true},
        {"stateOrProvinceName", NID_stateOrProvinceName, false},
        {"localityName", NID_localityName, false},
        {"streetAddress", NID_streetAddress, true},
        {"organizationName", NID_organizationName, false},
    };
    JSValue object = JS_NewObject(ctx);
    int err = JS_IsException(object) ? -1 : 0;

    for (size_t i = 0; i < COUNT_OF(entries) && err == 0; i++) {
        int at = -1;

        if (is_subject || !entries[i].of_subjects)
            err = host_set(ctx, object, entries[i].key,
                           text_of(ctx, entry_of(name, entries[i].nid, &at)));
    }
    if (err == 0 && is_subject)
        err = host_set(ctx, object, "organizationalUnitName", units_of(ctx, name));
    if (err == 0)
        err = host_set(ctx, object, "names", parts_of(ctx, name));
    if (err == 0)
        return object;
    JS_FreeValue(ctx, object);
    return JS_EXCEPTION;
}

/* --- other names -------------------------------------------------------------------------- */

static JSValue address_of(JSContext *ctx, const ASN1_OCTET_STRING *ip)
{
    size_t len = (size_t)ASN1_STRING_length(ip);
    struct addr addr = {.family = len == 4 ? ADDR_V4 : len == 16 ? ADDR_V6 : ADDR_NONE};
    char text[ADDR_TEXT_MAX];

    if (addr.family != ADDR_NONE)
        memcpy(addr.ip, ASN1_STRING_get0_data(ip), len);
    return JS_NewString(ctx, addr_format(&addr, text));
}

static JSValue other_name(JSContext *ctx, const GENERAL_NAME *name)
{
    if (name->type == GEN_IPADD)
        return address_of(ctx, name->d.iPAddress);
    return text_of(ctx, name->d.ia5);
}

/* Domains first, then mail addresses, IP addresses and URIs. */
static JSValue alt_names_of(JSContext *ctx, X509 *cert)
{
    static const int kinds[] = {GEN_DNS, GEN_EMAIL, GEN_IPADD, GEN_URI};
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    JSValue list = JS_NewArray(ctx);
    uint32_t count = 0;

    for (size_t kind = 0; kind < COUNT_OF(kinds); kind++) {
        for (int i = 0; i < sk_GENERAL_NAME_num(names) && !JS_IsException(list); i++) {
            const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

            if (name->type == kinds[kind] &&
                JS_SetPropertyUint32(ctx, list, count++, other_name(ctx, name)) < 0) {
                JS_FreeValue(ctx, list);
                list = JS_EXCEPTION;
            }
        }
    }
    GENERAL_NAMES_free(names);
    return list;
}

/* --- keys and signatures ------------------------------------------------------------------ */

static int set_number(JSContext *ctx, JSValueConst object, const char *name, const EVP_PKEY *key,
                      size_t i)
{
    struct buf bytes = BUF_INIT(SIZE_MAX);
    int err = 0;

    if (pkey_to_number(key, i, &bytes))
        err = host_set(ctx, object, name, bytes_of(ctx, buf_str(&bytes)));
    buf_deinit(&bytes);
    return err;
}

/* A public exponent as a number; as a list of bytes it would be the only small one. */
static int set_exponent(JSContext *ctx, JSValueConst object, const EVP_PKEY *key)
{
    struct buf bytes = BUF_INIT(SIZE_MAX);
    double value = 0;

    if (pkey_to_number(key, 1, &bytes)) {
        for (size_t i = 0; i < bytes.len; i++)
            value = value * 256 + (unsigned char)bytes.data[i];
    }
    buf_deinit(&bytes);
    return host_set(ctx, object, "e", JS_NewFloat64(ctx, value));
}

static JSValue numbers_of(JSContext *ctx, const EVP_PKEY *key)
{
    enum pkey_kind kind = pkey_kind(key);
    JSValue object = JS_NewObject(ctx);
    int err = JS_IsException(object) ? -1 : 0;

    if (err == 0 && kind == PKEY_RSA) {
        err = set_exponent(ctx, object, key);
        if (err == 0)
            err = set_number(ctx, object, "n", key, 0);
    } else if (err == 0 && kind != PKEY_NONE) {
        err = host_set(ctx, object, "curve", JS_NewString(ctx, pkey_kind_name(kind)));
        if (err == 0)
            err = set_number(ctx, object, "x", key, 0);
        if (err == 0)
            err = set_number(ctx, object, "y", key, 1);
    }
    if (err == 0)
        return object;
    JS_FreeValue(ctx, object);
    return JS_EXCEPTION;
}

static JSValue key_of(JSContext *ctx, const X509 *cert)
{
    const EVP_PKEY *key = X509_get0_pubkey(cert);
    const char *type = key ? EVP_PKEY_get0_type_name(key) : NULL;
    JSValue object = JS_NewObject(ctx);

    if (JS_IsException(object))
        return object;
    if (type && strcmp(type, "EC") == 0)
        type = "ECDSA";
    else if (type && strcmp(type, "ED25519") == 0)
        type = "Ed25519";
    if (host_set(ctx, object, "algorithm", JS_NewString(ctx, type ? type : "")) == 0 &&
        host_set(ctx, object, "key", key ? numbers_of(ctx, key) : JS_NULL) == 0)
        return object;
    JS_FreeValue(ctx, object);
    return JS_EXCEPTION;
}

/* k6 has Go's names, which Go's documentation lists; others keep OpenSSL's. */
static JSValue signature_of(JSContext *ctx, const X509 *cert)
{
    static const struct {
        int nid;
        const char *name;
    } names[] = {
        {NID_md5WithRSAEncryption, "MD5-RSA"},       {NID_sha1WithRSAEncryption, "SHA1-RSA"},
        {NID_sha256WithRSAEncryption, "SHA256-RSA"}, {NID_sha384WithRSAEncryption, "SHA384-RSA"},
        {NID_sha512WithRSAEncryption, "SHA512-RSA"}, {NID_dsaWithSHA1, "DSA-SHA1"},
        {NID_dsa_with_SHA256, "DSA-SHA256"},         {NID_ecdsa_with_SHA1, "ECDSA-SHA1"},
        {NID_ecdsa_with_SHA256, "ECDSA-SHA256"},     {NID_ecdsa_with_SHA384, "ECDSA-SHA384"},
        {NID_ecdsa_with_SHA512, "ECDSA-SHA512"},     {NID_ED25519, "Ed25519"},
    };
    int nid = X509_get_signature_nid(cert);

    if (nid == NID_rsassaPss) { /* the hash is in its parameters */
        int hash = NID_undef;

        X509_get_signature_info((X509 *)(uintptr_t)cert, &hash, NULL, NULL, NULL);
        if (hash == NID_sha256 || hash == NID_sha384 || hash == NID_sha512)
            return JS_NewString(ctx, hash == NID_sha256   ? "SHA256-RSAPSS"
                                     : hash == NID_sha384 ? "SHA384-RSAPSS"
                                                          : "SHA512-RSAPSS");
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (names[i].nid == nid)
            return JS_NewString(ctx, names[i].name);
    }
    return JS_NewString(ctx, nid == NID_undef ? "" : OBJ_nid2ln(nid));
}

static JSValue fingerprint_of(JSContext *ctx, const X509 *cert)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (X509_digest(cert, EVP_sha1(), sum, &len) != 1)
        len = 0;
    return bytes_of(ctx, str_from((const char *)sum, len));
}

/* --- functions ---------------------------------------------------------------------------- */

static JSValue certificate_of(JSContext *ctx, X509 *cert)
{
    JSValue o = JS_NewObject(ctx);

    if (JS_IsException(o))
        return o;
    if (host_set(ctx, o, "subject", name_of(ctx, X509_get_subject_name(cert), true)) == 0 &&
        host_set(ctx, o, "issuer", name_of(ctx, X509_get_issuer_name(cert), false)) == 0 &&
        host_set(ctx, o, "notBefore", time_of(ctx, X509_get0_notBefore(cert))) == 0 &&
        host_set(ctx, o, "notAfter", time_of(ctx, X509_get0_notAfter(cert))) == 0 &&
        host_set(ctx, o, "altNames", alt_names_of(ctx, cert)) == 0 &&
        host_set(ctx, o, "signatureAlgorithm", signature_of(ctx, cert)) == 0 &&
        host_set(ctx, o, "fingerPrint", fingerprint_of(ctx, cert)) == 0 &&
        host_set(ctx, o, "publicKey", key_of(ctx, cert)) == 0)
        return o;
    JS_FreeValue(ctx, o);
    return JS_EXCEPTION;
}

static JSValue issuer_of(JSContext *ctx, X509 *cert)
{
    return name_of(ctx, X509_get_issuer_name(cert), false);
}

static JSValue subject_of(JSContext *ctx, X509 *cert)
{
    return name_of(ctx, X509_get_subject_name(cert), true);
}

/* parse(pem) and those that give a part of it; the magic says which. */
static JSValue look(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int which)
{
    static const struct {
        const char *what;
        JSValue (*get)(JSContext *ctx, X509 *cert);
    } parts[] = {
        {"parse()", certificate_of},
        {"getAltNames()", alt_names_of},
        {"getIssuer()", issuer_of},
        {"getSubject()", subject_of},
    };
    X509 *cert = read_certificate(ctx, argc, argv, parts[which].what);
    JSValue value;

    (void)this_val;
    if (!cert)
        return JS_EXCEPTION;
    value = parts[which].get(ctx, cert);
    X509_free(cert);
    ERR_clear_error();
    return value;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_MAGIC_DEF("parse", 1, look, 0),
    JS_CFUNC_MAGIC_DEF("getAltNames", 1, look, 1),
    JS_CFUNC_MAGIC_DEF("getIssuer", 1, look, 2),
    JS_CFUNC_MAGIC_DEF("getSubject", 1, look, 3),
};

const struct host_module mod_x509 = {
    .name = "k6/crypto/x509",
    .functions = functions,
    .function_count = COUNT_OF(functions),
};

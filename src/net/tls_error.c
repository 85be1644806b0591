/* From OpenSSL's errors to ours, in Go's words. */
#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "net/tls_internal.h"

enum { ALERT_REASONS = 1000, ALERT_LAST = 255 }; /* SSL_AD_REASON_OFFSET */

static const char *alert_text(int alert)
{
    static const struct {
        int alert;
        const char *text;
    } alerts[] = {
        {SSL_AD_CLOSE_NOTIFY, "close notify"},
        {SSL_AD_UNEXPECTED_MESSAGE, "unexpected message"},
        {SSL_AD_BAD_RECORD_MAC, "bad record MAC"},
        {SSL_AD_RECORD_OVERFLOW, "record overflow"},
        {SSL_AD_HANDSHAKE_FAILURE, "handshake failure"},
        {SSL_AD_BAD_CERTIFICATE, "bad certificate"},
        {SSL_AD_UNSUPPORTED_CERTIFICATE, "unsupported certificate"},
        {SSL_AD_CERTIFICATE_REVOKED, "revoked certificate"},
        {SSL_AD_CERTIFICATE_EXPIRED, "expired certificate"},
        {SSL_AD_CERTIFICATE_UNKNOWN, "unknown certificate"},
        {SSL_AD_ILLEGAL_PARAMETER, "illegal parameter"},
        {SSL_AD_UNKNOWN_CA, "unknown certificate authority"},
        {SSL_AD_ACCESS_DENIED, "access denied"},
        {SSL_AD_DECODE_ERROR, "error decoding message"},
        {SSL_AD_DECRYPT_ERROR, "error decrypting message"},
        {SSL_AD_PROTOCOL_VERSION, "protocol version not supported"},
        {SSL_AD_INSUFFICIENT_SECURITY, "insufficient security level"},
        {SSL_AD_INTERNAL_ERROR, "internal error"},
        {SSL_AD_INAPPROPRIATE_FALLBACK, "inappropriate fallback"},
        {SSL_AD_USER_CANCELLED, "user canceled"},
        {SSL_AD_NO_RENEGOTIATION, "no renegotiation"},
        {SSL_AD_MISSING_EXTENSION, "missing extension"},
        {SSL_AD_UNSUPPORTED_EXTENSION, "unsupported extension"},
        {SSL_AD_UNRECOGNIZED_NAME, "unrecognized name"},
        {SSL_AD_BAD_CERTIFICATE_STATUS_RESPONSE, "bad certificate status response"},
        {SSL_AD_UNKNOWN_PSK_IDENTITY, "unknown PSK identity"},
        {SSL_AD_CERTIFICATE_REQUIRED, "certificate required"},
        {SSL_AD_NO_APPLICATION_PROTOCOL, "no application protocol"},
    };

    for (size_t i = 0; i < COUNT_OF(alerts); i++) {
        if (alerts[i].alert == alert)
            return alerts[i].text;
    }
    return NULL;
}

void tls_set_error(struct tls *t, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    mem_free(t->error);
    t->error = mem_strdup(text);
}

/* The oldest entry of OpenSSL's queue is the cause, later ones are its consequences. */
static int ssl_error(struct tls *t)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    const char *text = ERR_reason_error_string(code);
    const char *alert;

    switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
        tls_set_error(t, "%s", err_text(ERR_TLS_NOT_TLS));
        return ERR_TLS_NOT_TLS;
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        return t->info.version ? ERR_UNEXPECTED_EOF : ERR_EOF;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        if (t->verify_err)
            return t->verify_err;
        break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
        tls_set_error(t, "tls: the server chose a protocol version that is not allowed here");
        return ERR_TLS;
    default:
        break;
    }
    if (reason > ALERT_REASONS && reason <= ALERT_REASONS + ALERT_LAST) {
        alert = alert_text(reason - ALERT_REASONS);
        if (alert)
            tls_set_error(t, "remote error: tls: %s", alert);
        else
            tls_set_error(t, "remote error: tls: alert(%d)", reason - ALERT_REASONS);
        return ERR_TLS;
    }
    tls_set_error(t, "tls: %s", text ? text : "unknown error");
    return ERR_TLS;
}

int tls_failure(struct tls *t, int ret, unsigned *wait_for)
{
    int err;

    switch (SSL_get_error(t->ssl, ret)) {
    case SSL_ERROR_WANT_READ:
        *wait_for = IO_READ;
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        *wait_for = IO_WRITE;
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return ERR_EOF;
    case SSL_ERROR_SYSCALL:
        err = t->io_error ? t->io_error : ERR_UNEXPECTED_EOF;
        break;
    default:
        err = ssl_error(t);
        break;
    }
    t->is_broken = true;
    ERR_clear_error();
    return err;
}

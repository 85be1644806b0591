/* The stapled OCSP response (RFC 6960), as response.ocsp shows it. */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <time.h>

#include "net/tls_internal.h"

const char *tls_ocsp_status_text(enum tls_ocsp_status status)
{
    switch (status) {
    case TLS_OCSP_GOOD:
        return "good";
    case TLS_OCSP_REVOKED:
        return "revoked";
    case TLS_OCSP_SERVER_FAILED:
        return "server_failed";
    case TLS_OCSP_NONE:
    case TLS_OCSP_UNKNOWN:
        break;
    }
    return "unknown";
}

const char *tls_ocsp_reason_text(int reason)
{
    static const char *const texts[] = {
        [OCSP_REVOKED_STATUS_UNSPECIFIED] = "unspecified",
        [OCSP_REVOKED_STATUS_KEYCOMPROMISE] = "key_compromise",
        [OCSP_REVOKED_STATUS_CACOMPROMISE] = "ca_compromise",
        [OCSP_REVOKED_STATUS_AFFILIATIONCHANGED] = "affiliation_changed",
        [OCSP_REVOKED_STATUS_SUPERSEDED] = "superseded",
        [OCSP_REVOKED_STATUS_CESSATIONOFOPERATION] = "cessation_of_operation",
        [OCSP_REVOKED_STATUS_CERTIFICATEHOLD] = "certificate_hold",
        [OCSP_REVOKED_STATUS_REMOVEFROMCRL] = "remove_from_crl",
        [9] = "privilege_withdrawn",
        [10] = "aa_compromise",
    };

    if (reason < 0 || (size_t)reason >= COUNT_OF(texts) || !texts[reason])
        return "";
    return texts[reason];
}

static int64_t unix_time(const ASN1_GENERALIZEDTIME *t)
{
    struct tm tm;

    if (!t || !ASN1_TIME_to_tm(t, &tm))
        return 0;
    return (int64_t)timegm(&tm);
}

static void read_single(OCSP_BASICRESP *basic, struct tls_ocsp *out)
{
    ASN1_GENERALIZEDTIME *revoked = NULL;
    ASN1_GENERALIZEDTIME *this_update = NULL;
    ASN1_GENERALIZEDTIME *next_update = NULL;
    OCSP_SINGLERESP *single = OCSP_resp_get0(basic, 0);
    int reason = -1;

    if (!single)
        return;
    switch (OCSP_single_get0_status(single, &reason, &revoked, &this_update, &next_update)) {
    case V_OCSP_CERTSTATUS_GOOD:
        out->status = TLS_OCSP_GOOD;
        break;
    case V_OCSP_CERTSTATUS_REVOKED:
        out->status = TLS_OCSP_REVOKED;
        out->revoked_at = unix_time(revoked);
        out->revocation_reason = reason < 0 ? OCSP_REVOKED_STATUS_UNSPECIFIED : reason;
        break;
    default:
        out->status = TLS_OCSP_UNKNOWN;
        break;
    }
    out->produced_at = unix_time(OCSP_resp_get0_produced_at(basic));
    out->this_update = unix_time(this_update);
    out->next_update = unix_time(next_update);
}

void tls_read_ocsp(SSL *ssl, struct tls_ocsp *out)
{
    const unsigned char *der = NULL;
    long len = SSL_get_tlsext_status_ocsp_resp(ssl, &der);
    OCSP_RESPONSE *response;
    OCSP_BASICRESP *basic = NULL;

    *out = (struct tls_ocsp){.status = TLS_OCSP_NONE, .revocation_reason = -1};
    if (len <= 0 || !der)
        return;
    out->status = TLS_OCSP_SERVER_FAILED;
    response = d2i_OCSP_RESPONSE(NULL, &der, len);
    if (response && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
        basic = OCSP_response_get1_basic(response);
    if (basic)
        read_single(basic, out);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
}

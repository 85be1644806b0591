/* Signatures of AWS' own test suite. */
#include "output/sigv4.h"

#include "base/clock.h"
#include "support/test.h"

static void check(const char *path, const char *query, const char *want_signature)
{
    static const struct sigv4_keys keys = {STR_INIT("us-east-1"), STR_INIT("service"),
                                           STR_INIT("AKIDEXAMPLE"),
                                           STR_INIT("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")};
    struct sigv4_request request = {
        .host = STR("example.amazonaws.com"),
        .path = str_of(path),
        .query = str_of(query),
        .wall_nsec = INT64_C(1440938160) * NSEC_PER_SEC, /* 2015-08-30T12:36:00Z */
    };
    struct buf date = BUF_INIT(SIZE_MAX);
    struct buf authorization = BUF_INIT(SIZE_MAX);
    struct buf want = BUF_INIT(SIZE_MAX);

    sigv4_sign(&keys, &request, &date, &authorization);
    buf_printf(&want,
               "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
               "SignedHeaders=host;x-amz-date, Signature=%s",
               want_signature);
    CHECK_TEXT(date.data, "20150830T123600Z");
    CHECK_TEXT(authorization.data, want.data);
    buf_deinit(&date);
    buf_deinit(&authorization);
    buf_deinit(&want);
}

TEST(sigv4_signs_as_aws_does)
{
    /* post-vanilla, post-vanilla-query */
    check("/", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    check("", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    check("/", "Param1=value1", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11");
}

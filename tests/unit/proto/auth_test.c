#include "proto/auth.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "proto/md4.h"
#include "support/test.h"

static struct arena arena;

static void check_str(struct str got, const char *want)
{
    char text[2048];

    CHECK(got.len < sizeof text);
    snprintf(text, sizeof text, "%.*s", STR_ARG(got));
    CHECK_TEXT(text, want);
}

TEST(auth_basic_of_rfc_7617)
{
    arena_init(&arena);
    check_str(auth_basic(STR("Aladdin"), STR("open sesame"), &arena),
              "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    check_str(auth_basic(STR("test"), STR("123\xc2\xa3"), &arena), "Basic dGVzdDoxMjPCow==");
    check_str(auth_basic(STR(""), STR(""), &arena), "Basic Og==");
    arena_deinit(&arena);
}

/* --- digest ------------------------------------------------------------------------------------
 */

static const struct digest_request mufasa = {
    .method = STR_INIT("GET"),
    .uri = STR_INIT("/dir/index.html"),
    .user = STR_INIT("Mufasa"),
    .password = STR_INIT("Circle of Life"),
    .cnonce = STR_INIT("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"),
    .nc = 1,
};

#define REALM "realm=\"http-auth@example.org\""
#define NONCE "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\""
#define OPAQUE "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""

/* The challenges of RFC 7616 3.9.1 and the answers there; the -sess and SHA-512-256 answers were
 * computed by hand from the RFC's formulas. */
TEST(auth_digest_of_rfc_7616)
{
    static const struct {
        const char *algorithm;
        const char *response;
    } rows[] = {
        {"MD5", "8ca523f5e9506fed4657c9700eebdbec"},
        {"SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
        {"MD5-sess", "e783283f46242139c486a698fec7211d"},
        {"SHA-256-sess", "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7"},
        {"SHA-512-256", "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0"},
        {"SHA-512-256-sess", "3f2a34f923c38b0fb26dce2fdfc2ce326c23cecf86fbb1444f3e51fbbc2cb92e"},
    };

    arena_init(&arena);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct digest_challenge c;
        char text[512];

        snprintf(text, sizeof text,
                 "Digest " REALM ", qop=\"auth, auth-int\", algorithm=%s, " NONCE ", " OPAQUE,
                 rows[i].algorithm);
        CHECK_EQ(digest_challenge_parse(str_of(text), &arena, &c), 0);
        snprintf(text, sizeof text,
                 "Digest username=\"Mufasa\", " REALM ", " NONCE
                 ", uri=\"/dir/index.html\", response=\"%s\", algorithm=%s, " OPAQUE
                 ", qop=auth, nc=00000001, "
                 "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\"",
                 rows[i].response, rows[i].algorithm);
        check_str(digest_authorization(&c, &mufasa, &arena), text);
    }
    arena_deinit(&arena);
}

TEST(auth_digest_without_qop_is_rfc_2069s)
{
    struct digest_request r = mufasa;
    struct digest_challenge c;

    arena_init(&arena);
    r.password = STR("CircleOfLife");
    CHECK_EQ(digest_challenge_parse(STR("digest realm=\"testrealm@host.com\" ,nonce = "
                                        "\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",stale=TRUE"),
                                    &arena, &c),
             0);
    CHECK(c.stale && !c.qop_auth && !c.has_opaque && !c.has_algorithm);
    check_str(digest_authorization(&c, &r, &arena),
              "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", "
              "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", "
              "response=\"1949323746fe6a43ef61f9606e7febea\"");
    arena_deinit(&arena);
}

TEST(auth_digest_hashes_and_quotes_names)
{
    struct digest_request r = mufasa;
    struct digest_challenge c;
    struct str text;

    arena_init(&arena);
    CHECK_EQ(digest_challenge_parse(
                 STR("Digest " REALM ", userhash=true, algorithm=SHA-256, qop=auth, " NONCE),
                 &arena, &c),
             0);
    text = digest_authorization(&c, &r, &arena);
    CHECK(
        str_find_str(
            text,
            STR("username=\"a947aad205e80e429958a387394944c6b496301e79f89d35a4cc23b6ee12b5b6\"")) >
        0);
    CHECK(str_ends_with(text, STR(", userhash=true")));

    CHECK_EQ(digest_challenge_parse(STR("Digest realm=\"a \\\"b\\\\\", nonce=x"), &arena, &c), 0);
    check_str(c.realm, "a \"b\\");
    r.user = STR("q\"u");
    text = digest_authorization(&c, &r, &arena);
    CHECK(str_starts_with(text,
                          STR("Digest username=\"q\\\"u\", realm=\"a \\\"b\\\\\", nonce=\"x\"")));
    arena_deinit(&arena);
}

TEST(auth_digest_refuses_other_challenges)
{
    static const struct {
        const char *text;
        int err;
    } rows[] = {
        {"", ERR_SYNTAX},
        {"Digest", ERR_SYNTAX},
        {"Basic realm=\"x\"", ERR_SYNTAX},
        {"Digestive nonce=x", ERR_SYNTAX},
        {"Digest realm=\"x\"", ERR_SYNTAX},
        {"Digest nonce=\"x", ERR_SYNTAX},
        {"Digest nonce", ERR_SYNTAX},
        {"Digest nonce=x, Basic realm=\"y\"", 0},
        {"Digest nonce=x, algorithm=MD6", ERR_UNSUPPORTED},
        {"Digest nonce=x, qop=\"auth-int\"", ERR_UNSUPPORTED},
        {"Digest nonce=x, qop=\"\"", 0},
    };

    arena_init(&arena);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct digest_challenge c;

        CHECK_EQ(digest_challenge_parse(str_of(rows[i].text), &arena, &c), rows[i].err);
    }
    arena_deinit(&arena);
}

/* --- NTLM --------------------------------------------------------------------------------------
 */

TEST(auth_md4_of_rfc_1320)
{
    static const char *const rows[][2] = {
        {"", "31d6cfe0d16ae931b73c59d7e0c089c0"},
        {"a", "bde52cb31de33e46245e05fbdbd6fb24"},
        {"abc", "a448017aaf21d8525fc10ae87aa6729d"},
        {"message digest", "d9130a8164549fe818874806e1c7014b"},
        {"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
         "043f8582f241db351ce627e153e7f0e4"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "e33b4ddc9c38f2199c3e7b164fcc0536"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        unsigned char hash[MD4_SIZE];
        char hex[MD4_SIZE * 2 + 1];

        md4(rows[i][0], strlen(rows[i][0]), hash);
        for (size_t k = 0; k < MD4_SIZE; k++)
            snprintf(hex + k * 2, 3, "%02x", hash[k]);
        CHECK_TEXT(hex, rows[i][1]);
    }
}

/* [MS-NLMP] 4.2.4: user "User", domain "Domain", password "Password", both challenges and the
 * target's information as there; no timestamp, time zero. The proof inside is 68cd0ab8...6a1c. */
static const char type_2[] =
    "NTLM TlRMTVNTUAACAAAADAAMADgAAAAzgoriASNFZ4mrze8AAAAAAAAAACQAJABEAAAAB"
    "gBwFwAAAA9TAGUAcgB2AGUAcgACAAwARABvAG0AYQBpAG4AAQAMAFMAZQByAHYAZQByAAA"
    "AAAA=";
static const char type_3[] =
    "NTLM TlRMTVNTUAADAAAAGAAYAEAAAABUAFQAWAAAAAwADACsAAAACAAIALgAAAAAAAAAwAAAAAAAAADAAAAABYIIIIbDU"
    "JesnOwQJVR2SlfMzBmqqqqqqqqqqmjNCrhR5RyWqrySe+vvahwBAQAAAAAAAAAAAAAAAAAAqqqqqqqqqqoAAAAAAgAMAEQ"
    "AbwBtAGEAaQBuAAEADABTAGUAcgB2AGUAcgAAAAAAAAAAAEQAbwBtAGEAaQBuAFUAcwBlAHIA";

TEST(auth_ntlm_of_ms_nlmp)
{
    struct ntlm_secret secret = {.user = STR("Domain\\User"), .password = STR("Password")};
    struct str out;

    arena_init(&arena);
    memset(secret.client_challenge, 0xaa, 8);
    check_str(ntlm_negotiate(&arena), "NTLM TlRMTVNTUAABAAAABYIIIAAAAAAAAAAAAAAAAAAAAAA=");
    CHECK_EQ(ntlm_authenticate(str_of(type_2), &secret, &arena, &out), 0);
    check_str(out, type_3);
    arena_deinit(&arena);
}

TEST(auth_ntlm_refuses_broken_challenges)
{
    struct ntlm_secret secret = {.user = STR("u"), .password = STR("p")};
    struct str out;

    arena_init(&arena);
    /* Cut anywhere, the message is too short, its base64 is none, or its fields point outside; but
     * old servers end it behind their challenge, 32 to 47 bytes. */
    for (size_t len = 0; len < sizeof type_2 - 1; len++) {
        size_t bytes = len < 5 ? 0 : (len - 5) / 4 * 3;
        bool is_old = (len - 5) % 4 == 0 && bytes >= 32 && bytes < 48;
        char *copy = arena_alloc(&arena, len ? len : 1);

        memcpy(copy, type_2, len);
        CHECK_EQ(ntlm_authenticate(str_from(copy, len), &secret, &arena, &out),
                 is_old ? 0 : ERR_SYNTAX);
    }
    CHECK_EQ(ntlm_authenticate(STR("NTLM !!!!"), &secret, &arena, &out), ERR_SYNTAX);
    CHECK_EQ(ntlm_authenticate(STR("Basic x"), &secret, &arena, &out), ERR_SYNTAX);
    arena_deinit(&arena);
}

/* A server that trusts an operator, and a client with a credentials file: the identities of NATS'
 * accounts (JWTs signed with Ed25519 keys) are made here. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "fleet/nats_folder.h"
#include "fleet/nats_server.h"
#include "fleet/process.h"
#include "nats_fixture.h"
#include "support/test.h"

enum { OPERATOR = 14 << 3, ACCOUNT = 0, USER = 20 << 3, SEED = 18 << 3 };

struct identity {
    EVP_PKEY *key;
    char name[64]; /* its public key, as NATS writes it */
    char seed[80];
};

static uint16_t crc16(const unsigned char *bytes, size_t len)
{
    unsigned crc = 0;

    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
    }
    return (uint16_t)crc;
}

/* RFC 4648 base32 of the bytes and their checksum, without padding. */
static void base32(unsigned char *bytes, size_t len, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint16_t crc = crc16(bytes, len);
    unsigned held = 0;
    int bits = 0;

    bytes[len] = (unsigned char)(crc & 0xff);
    bytes[len + 1] = (unsigned char)(crc >> 8);
    for (size_t i = 0; i < len + 2; i++) {
        held = (held << 8 | bytes[i]) & 0xfff;
        for (bits += 8; bits >= 5; bits -= 5)
            *out++ = digits[held >> (bits - 5) & 31];
    }
    if (bits > 0)
        *out++ = digits[held << (5 - bits) & 31];
    *out = '\0';
}

static struct identity identity_new(unsigned kind)
{
    struct identity id = {.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    unsigned char bytes[64] = {(unsigned char)kind};
    size_t len = 32;

    CHECK(id.key);
    CHECK_EQ(EVP_PKEY_get_raw_public_key(id.key, bytes + 1, &len), 1);
    base32(bytes, 33, id.name);
    bytes[0] = (unsigned char)(SEED | kind >> 5);
    bytes[1] = (unsigned char)((kind & 31) << 3);
    CHECK_EQ(EVP_PKEY_get_raw_private_key(id.key, bytes + 2, &len), 1);
    base32(bytes, 34, id.seed);
    return id;
}

/* A token in which `issuer` says `claims` of `subject`; heap. */
static char *token(const struct identity *issuer, const struct identity *subject,
                   const char *claims)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char signature[64];
    size_t len = sizeof signature;
    char *body = mem_printf("{\"jti\":\"x\",\"iat\":1700000000,\"iss\":\"%s\",\"sub\":\"%s\","
                            "\"name\":\"n\",\"nats\":{%s,\"version\":2}}",
                            issuer->name, subject->name, claims);

    base64_encode(STR("{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}"), BASE64_URL, false, &out);
    buf_append_char(&out, '.');
    base64_encode(str_of(body), BASE64_URL, false, &out);
    CHECK_EQ(EVP_DigestSignInit(md, NULL, NULL, NULL, issuer->key), 1);
    CHECK_EQ(EVP_DigestSign(md, signature, &len, (unsigned char *)out.data, out.len), 1);
    buf_append_char(&out, '.');
    base64_encode(str_from((char *)signature, len), BASE64_URL, false, &out);
    EVP_MD_CTX_free(md);
    mem_free(body);
    return buf_take(&out);
}

static char *write_file(const struct rig *r, const char *name, char *text)
{
    char *path = mem_printf("%s/%s", r->folder, name);
    struct diag d = DIAG_INIT;

    CHECK_EQ(nats_folder_write(path, text, &d), 0);
    mem_free(text);
    return path;
}

static char *credentials(const struct rig *r, const char *name, const char *jwt, const char *seed)
{
    return write_file(r, name,
                      mem_printf("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------"
                                 "\n\n-----BEGIN USER NKEY SEED-----\n%s\n"
                                 "------END USER NKEY SEED------\n",
                                 jwt, seed));
}

/* Starts a server of the operator's, on a port that it writes down; gives its address. */
static char *start_server(struct rig *r, struct process *child, const char *operator_jwt,
                          const struct identity *account, const char *account_jwt)
{
    char *config =
        write_file(r, "operator.conf",
                   mem_printf("listen: 127.0.0.1:-1\nports_file_dir: \"%s\"\noperator: %s\n"
                              "resolver: MEMORY\nresolver_preload: {%s: %s}\n",
                              r->folder, operator_jwt, account->name, account_jwt));
    char *program;
    struct diag d = DIAG_INIT;
    char line[512] = "";
    char *file;
    char *end;

    CHECK_EQ(nats_server_find(NULL, &program, &d), 0);
    CHECK_EQ(process_start(
                 child,
                 &(struct process_how){.argv = (const char *[]){program, "-c", config, NULL}}, &d),
             0);
    file = mem_printf("%s/nats-server_%d.ports", r->folder, (int)child->pid);
    for (int i = 0; i < 300 && !strchr(line, '}'); i++) {
        int fd = open(file, O_RDONLY);

        usleep(10000);
        if (fd >= 0 && read(fd, line, sizeof line - 1) >= 0)
            close(fd);
    }
    CHECK(strstr(line, "nats://"));
    end = strchr(strstr(line, "nats://"), '"');
    CHECK(end);
    *end = '\0';
    mem_free(file);
    mem_free(program);
    mem_free(config);
    return mem_strdup(strstr(line, "nats://"));
}

TEST(bus_shows_its_credentials)
{
    struct identity owner = identity_new(OPERATOR);
    struct identity account = identity_new(ACCOUNT);
    struct identity user = identity_new(USER);
    struct identity stranger = identity_new(USER);
    char *operator_jwt = token(&owner, &owner, "\"type\":\"operator\"");
    char *account_jwt = token(&owner, &account,
                              "\"limits\":{\"subs\":-1,\"conn\":-1,\"leaf\":-1,\"imports\":-1,"
                              "\"exports\":-1,\"data\":-1,\"payload\":-1,\"wildcards\":true},"
                              "\"type\":\"account\"");
    char *user_jwt =
        token(&account, &user, "\"subs\":-1,\"data\":-1,\"payload\":-1,\"type\":\"user\"");
    char *files[3];
    struct process child;
    struct bus_config config;
    struct bus *bus = NULL;
    struct diag d = DIAG_INIT;
    char *url;
    struct rig r;

    rig_open(&r);
    url = start_server(&r, &child, operator_jwt, &account, account_jwt);
    files[0] = credentials(&r, "good.creds", user_jwt, user.seed);
    files[1] = credentials(&r, "stranger.creds", user_jwt, stranger.seed);
    files[2] = credentials(&r, "broken.creds", "x", "y");
    config = rig_bus_config(&r, url);
    for (int i = 2; i > 0; i--) {
        config.credentials = files[i];
        CHECK(bus_open(&config, &bus, &d) < 0);
        CHECK(d.message);
        diag_deinit(&d);
        d = (struct diag)DIAG_INIT;
    }
    config.credentials = files[0];
    if (bus_open(&config, &bus, &d) != 0)
        test_fail(__FILE__, __LINE__, "%s", d.message);
    bus_close(bus);
    mem_free(process_stop(&child, 2));
    for (int i = 0; i < 3; i++)
        mem_free(files[i]);
    mem_free(url);
    mem_free(operator_jwt);
    mem_free(account_jwt);
    mem_free(user_jwt);
    EVP_PKEY_free(owner.key);
    EVP_PKEY_free(account.key);
    EVP_PKEY_free(user.key);
    EVP_PKEY_free(stranger.key);
    rig_close(&r);
}

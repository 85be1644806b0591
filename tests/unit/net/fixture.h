/* What the tests of src/net share: a fiber on a loop, and blocking servers on threads. */
#ifndef UNIT_NET_FIXTURE_H
#define UNIT_NET_FIXTURE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "net/addr.h"
#include "net/stream.h"

/* Runs fn(arg) on a fiber of a fresh loop until it returns. */
void run_fiber(void (*fn)(void *arg), void *arg);

/* System calls of the code under test: recv and sendmsg of the fixture take the place of libc's. */
extern unsigned recv_calls;
extern unsigned send_calls;

/* A deadline that no test should reach. */
int64_t soon(void);
int64_t in_ms(int64_t ms);

/* Waits until an idle stream is no longer healthy; false: it stays so for seconds. */
YIELDS bool turns_unhealthy(struct stream *s);

struct addr loopback(uint16_t port);

/* A port on which nobody listens. */
uint16_t dead_port(void);

/* Calls serve(fd, arg) on a thread for each connection to the port that it returns, `count` times;
 * the descriptor is closed afterwards. run_fiber waits for the thread's end. */
uint16_t serve(unsigned count, void (*serve)(int fd, void *arg), void *arg);

/* The same over TLS: the thread has done the handshake when it calls. `config` outlives it. */
struct tls_server {
    X509 *cert;
    EVP_PKEY *key;
    const char *ciphers; /* TLS 1.2's list; NULL: default */
    int min;             /* e.g. TLS1_3_VERSION; 0: any */
    int max;
    bool offers_h2;  /* picks "h2" when the client offers it */
    bool wants_cert; /* asks for a client certificate of `ca` and insists */
    X509 *ca;
    unsigned char *ocsp; /* DER to staple; NULL: none */
    int ocsp_len;
    void (*serve)(void *ssl, void *arg);
    void *arg;
    bool failed;      /* set when a handshake failed */
    char sni[64];     /* what the client asked for last */
    char subject[64]; /* common name of the client's certificate */
};
uint16_t serve_tls(unsigned count, struct tls_server *server);

/* For a server that is to sit still until its client says so (or some seconds have passed). */
void stall_until_released(void);
void release_server(void);

void write_all(int fd, const char *data, size_t len);
void read_exactly(int fd, char *out, size_t len);

/* --- certificates --------------------------------------------------------------------------- */

struct pair {
    X509 *cert;
    EVP_PKEY *key;
};
/* `names` is for subjectAltName ("DNS:a.test,IP:127.0.0.1"; NULL: none). Valid from and to are
 * seconds from now. `issuer` NULL: self-signed CA. */
struct pair make_cert(const char *common_name, const char *names, long from, long to,
                      const struct pair *issuer);
void pair_free(struct pair *pair);
/* PEM on the heap. `password` NULL: not encrypted. */
char *cert_pem(const struct pair *pair);
char *key_pem(const struct pair *pair, const char *password, bool is_legacy);

#endif

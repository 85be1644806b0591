/* What outputs are told by the environment, by k6's names (K6_INFLUXDB_ADDR, ...): texts, switches,
 * spans of time, lists, and the TLS of a connection. An empty variable counts as none. Errors name
 * the variable and what it takes. */
#ifndef OUTPUT_CONFIG_H
#define OUTPUT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "net/tls.h"
#include "proto/header.h"

struct output_context;

/* The variable, or `fallback`. Names of paths (config_tls) are looked up in the process's own
 * environment, whatever the context says of others. */
const char *config_text(const struct output_context *c, const char *name, const char *fallback);
/* "true", "1", "false", ... (Go's spellings). *out stays when there is no variable. ERR_INVALID. */
MUST_USE int config_bool(const struct output_context *c, const char *name, bool *out,
                         struct diag *d);
/* "5s", or a number of milliseconds; above 0. *out (ns) stays when there is none. ERR_INVALID. */
MUST_USE int config_nsec(const struct output_context *c, const char *name, int64_t *out,
                         struct diag *d);

/* "influxdb (http://host:8086)": an output by its address, without the password in it. Heap. */
char *config_description(const char *output, struct str url);

/* Header fields, copied. */
struct config_headers {
    struct http_header *list; /* owned, texts too */
    size_t count;
};
/* ERR_INVALID, with `origin` in the message, for what is no field. */
MUST_USE int config_add_header(struct config_headers *h, const char *origin, struct str name,
                               struct str value, struct diag *d);
/* A variable that holds "name:value,name:value"; `between` stands for the colon. */
MUST_USE int config_add_headers(const struct output_context *c, struct config_headers *h,
                                const char *name, char between, struct diag *d);
/* "Authorization: Basic ..." */
void config_add_basic_auth(struct config_headers *h, struct str user, struct str password);
void config_headers_deinit(struct config_headers *h);

/* Names of variables; NULL: there is none of its kind. */
struct config_tls_names {
    const char *insecure;
    const char *roots;       /* path of a PEM file with certificates to trust */
    const char *certificate; /* path of the client's certificate */
    const char *key;         /* and of its key */
};
/* What they say; the caller frees it. ERR_INVALID, or what opening a file gave. */
MUST_USE int config_tls(const struct output_context *c, const struct config_tls_names *names,
                        struct tls_config **out, struct diag *d);

#endif

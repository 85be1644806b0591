/* The configuration that our nats-server runs with, as text: JSON, of which its own syntax is a
 * superset. Pure: no file is touched here. */
#ifndef FLEET_NATS_CONFIG_H
#define FLEET_NATS_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"

struct nats_server_config;
struct nats_user;

enum { NATS_MAX_PAYLOAD_BYTES = 8 << 20 };

/* Names fit for a subject's token, passwords there, no name twice. */
MUST_USE int nats_config_check_users(const struct nats_user *users, size_t count, struct diag *d);

/* The text (heap). `name` is the server's, `store` JetStream's folder, `max_store` bytes in it. */
char *nats_config_text(const struct nats_server_config *config, const char *name, int port,
                       const char *store, int64_t max_store);

#endif

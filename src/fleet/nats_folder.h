/* The folder of our nats-server, and its address: what is there before the process is. */
#ifndef FLEET_NATS_FOLDER_H
#define FLEET_NATS_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"

struct nats_folder {
    char *path;
    char *config_path;
    char *store_path; /* JetStream's */
    char *port_path;
    int lock_fd; /* held while we use it */
};

/* Makes it if needed and locks it; ERR_ when it can't be written or another process uses it. What
 * was opened is closed by nats_folder_close, also after a failure. */
MUST_USE int nats_folder_open(struct nats_folder *f, const char *path, struct diag *d);
void nats_folder_close(struct nats_folder *f);

/* Bytes that JetStream may take: what it has, and nine tenths of what is free. */
int64_t nats_folder_room(const struct nats_folder *f);

enum nats_space {
    NATS_SPACE_NONE, /* a message may not fit any more */
    NATS_SPACE_LOW,
    NATS_SPACE_ENOUGH,
};
enum nats_space nats_folder_space(const struct nats_folder *f);

/* Writes a file of which nobody ever sees a half, readable by the owner alone. */
MUST_USE int nats_folder_write(const char *path, const char *text, struct diag *d);

/* The port to listen on: `wanted`, or with 0 the one kept in the folder, or any free one, which is
 * kept from then on. */
MUST_USE int nats_folder_port(const struct nats_folder *f, const char *host, int wanted, int *out,
                              struct diag *d);

/* "nats://127.0.0.1:4222": where this machine reaches a server that listens on `host`; heap. */
char *nats_folder_url(const char *host, int port, bool tls);

/* Whether the NATS server there is the one with that name. */
bool nats_folder_answers(const char *host, int port, const char *name);

#endif

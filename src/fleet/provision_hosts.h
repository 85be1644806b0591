/* The hosts file of provision_ssh.c: which hosts a region has. */
#ifndef FLEET_PROVISION_HOSTS_H
#define FLEET_PROVISION_HOSTS_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"

enum { HOSTS_MAX = 1000, HOST_FLAGS_MAX = 20 };

/* A line: REGION[/ZONE] [USER@]HOST [FLAG...] */
struct provision_host {
    char *region; /* owned, as all here */
    char *zone;   /* "": none */
    char *host;
    char **flags; /* NULL at the end */
    size_t flag_count;
};

struct provision_hosts {
    struct provision_host *list;
    size_t count;
};

/* ERR_INVALID and ERR_LIMIT with file and line, a negative errno. */
MUST_USE int provision_hosts_read(const char *path, struct provision_hosts *out, struct diag *d);
void provision_hosts_deinit(struct provision_hosts *hosts);

#endif

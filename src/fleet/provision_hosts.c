#include "fleet/provision_hosts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum { LINE_SIZE = 4096 };

static struct str next_word(struct str *rest)
{
    size_t len = 0;

    *rest = str_trim(*rest);
    while (len < rest->len && rest->ptr[len] != ' ' && rest->ptr[len] != '\t')
        len++;
    *rest = str_from(rest->ptr + len, rest->len - len);
    return str_from(rest->ptr - len, len);
}

/* What ssh takes for a host: no flag of its own, nothing that a config file's Match or ProxyCommand
 * would hand to a shell with a meaning. */
static int check_host(struct str host, struct diag *d)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool is_alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!is_alnum && (i == 0 || !memchr("-_.@:%", c, 6)))
            return diag_set(d, ERR_INVALID, "'%.*s' is no [USER@]HOST", STR_ARG(host));
    }
    return 0;
}

static int read_flags(struct provision_host *host, struct str rest, struct diag *d)
{
    struct str word;

    host->flags = mem_calloc(HOST_FLAGS_MAX + 1, sizeof *host->flags);
    while ((word = next_word(&rest)).len > 0) {
        if (host->flag_count == HOST_FLAGS_MAX)
            return diag_set(d, ERR_LIMIT, "more than %d flags for a host", HOST_FLAGS_MAX);
        host->flags[host->flag_count++] = str_dup(word);
    }
    return 0;
}

static int read_line(struct provision_hosts *hosts, struct str line, struct diag *d)
{
    struct str rest = str_cut(&line, '#');
    struct str zone = next_word(&rest);
    struct str region = str_cut(&zone, '/');
    struct str name = next_word(&rest);
    struct provision_host host = {.flag_count = 0};
    int err;

    if (region.len == 0 && name.len == 0)
        return 0;
    if (region.len == 0 || name.len == 0)
        return diag_set(d, ERR_INVALID, "a line is REGION[/ZONE] [USER@]HOST [FLAG...]");
    if (hosts->count == HOSTS_MAX)
        return diag_set(d, ERR_LIMIT, "more than %d hosts", HOSTS_MAX);
    err = check_host(name, d);
    if (err)
        return err;
    host.region = str_dup(region);
    host.zone = str_dup(zone.ptr ? zone : STR(""));
    host.host = str_dup(name);
    err = read_flags(&host, rest, d);
    hosts->list = mem_reallocarray(hosts->list, hosts->count + 1, sizeof host);
    hosts->list[hosts->count++] = host;
    return err;
}

int provision_hosts_read(const char *path, struct provision_hosts *out, struct diag *d)
{
    struct provision_hosts hosts = {NULL, 0};
    FILE *in = fopen(path, "re");
    char line[LINE_SIZE];
    int number = 0;
    int err = 0;

    if (!in)
        return diag_set(d, -errno, "hosts file %s: %s", path, strerror(errno));
    while (err == 0 && fgets(line, sizeof line, in)) {
        number++;
        if (!strchr(line, '\n') && !feof(in))
            err = diag_set(d, ERR_LIMIT, "the line is longer than %d bytes", LINE_SIZE - 2);
        else
            err = read_line(&hosts, str_trim(str_of(line)), d);
        if (err)
            diag_at(d, path, number, 0);
    }
    if (err == 0 && ferror(in))
        err = diag_set(d, -EIO, "hosts file %s can't be read", path);
    fclose(in);
    if (err == 0 && hosts.count == 0)
        err = diag_set(d, ERR_INVALID, "hosts file %s has no hosts", path);
    if (err) {
        provision_hosts_deinit(&hosts);
        return err;
    }
    *out = hosts;
    return 0;
}

void provision_hosts_deinit(struct provision_hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++) {
        struct provision_host *h = &hosts->list[i];

        for (size_t j = 0; j < h->flag_count; j++)
            mem_free(h->flags[j]);
        mem_free((void *)h->flags);
        mem_free(h->region);
        mem_free(h->zone);
        mem_free(h->host);
    }
    mem_free(hosts->list);
    *hosts = (struct provision_hosts){NULL, 0};
}

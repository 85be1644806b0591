#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/server_internal.h"
#include "base/err.h"
#include "base/mem.h"

int server_listen(const char *address, struct diag *d)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    struct str all = str_of(address);
    ptrdiff_t colon = str_rfind(all, ':');
    struct str host = str_slice(all, 0, colon < 0 ? 0 : (size_t)colon);
    char *name;
    int one = 1;
    int err;
    int fd;

    if (colon < 0)
        return diag_set(d, ERR_INVALID, "'%s': expected host:port, as in localhost:6565", address);
    if (str_starts_with(host, STR("[")) && str_ends_with(host, STR("]")))
        host = str_slice(host, 1, host.len - 1);
    name = str_dup(host);
    err = getaddrinfo(host.len ? name : NULL, address + colon + 1, &hints, &found);
    mem_free(name);
    if (err)
        return diag_set(d, ERR_INVALID, "'%s': %s", address, gai_strerror(err));
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
        err = diag_set(d, -errno, "can't listen on '%s': %s%s", address, err_text(-errno),
                       errno == EADDRINUSE ? ": end the program that does, or choose another port"
                                           : "");
        if (fd >= 0)
            close(fd);
    }
    freeaddrinfo(found);
    return err ? err : fd;
}

int server_port_of(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    char text[16] = "";
    uint64_t port = 0;

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((struct sockaddr *)&address, len, NULL, 0, text, sizeof text, NI_NUMERICSERV) !=
            0 ||
        !str_to_u64(str_of(text), &port))
        return 0;
    return (int)port;
}

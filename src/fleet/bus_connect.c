/* One attempt to connect to one server, and what to say when it fails. On the bus's thread. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "fleet/bus_internal.h"

/* --- the list of servers ---------------------------------------------------------------------- */

static void free_server(struct bus_server *server)
{
    mem_free(server->url);
    mem_free(server->shown);
    mem_free(server->host);
    mem_free(server->port);
}

/* "HOST", "HOST:PORT", "[ADDRESS]:PORT". */
static int parse_address(struct str address, struct bus_server *out)
{
    struct str host = address;
    struct str port = STR("4222");
    ptrdiff_t colon = str_rfind(address, ':');
    uint64_t number;

    if (address.len > 0 && address.ptr[0] == '[') {
        ptrdiff_t end = str_find(address, ']');

        if (end < 0)
            return ERR_INVALID;
        host = str_slice(address, 1, (size_t)end);
        if (colon < end)
            colon = -1;
    } else if (colon >= 0) {
        host = str_slice(address, 0, (size_t)colon);
    }
    if (colon >= 0)
        port = str_from_index(address, (size_t)colon + 1);
    if (host.len == 0 || !str_to_u64(port, &number) || number < 1 || number > 65535)
        return ERR_INVALID;
    for (size_t i = 0; i < host.len; i++) {
        if ((unsigned char)host.ptr[i] <= ' ' || strchr("/?#@", host.ptr[i]))
            return ERR_INVALID;
    }
    out->host = str_dup(host);
    out->port = str_dup(port);
    return 0;
}

static int parse_server(struct str text, struct bus_server *out)
{
    struct str rest = text;
    struct str user = {NULL, 0};
    ptrdiff_t scheme = str_find_str(text, STR("://"));
    ptrdiff_t at;

    *out = (struct bus_server){.tls = str_starts_with(text, STR("tls://"))};
    if (scheme >= 0) {
        if (!out->tls && !str_starts_with(text, STR("nats://")))
            return ERR_INVALID;
        rest = str_from_index(text, (size_t)scheme + 3);
    }
    at = str_rfind(rest, '@');
    if (at >= 0) {
        user = str_slice(rest, 0, (size_t)at + 1);
        rest = str_from_index(rest, (size_t)at + 1);
    }
    if (str_ends_with(rest, STR("/")))
        rest = str_slice(rest, 0, rest.len - 1);
    if (parse_address(rest, out) != 0)
        return ERR_INVALID;
    out->shown = mem_printf("%s://%.*s", out->tls ? "tls" : "nats", STR_ARG(rest));
    out->url = mem_printf("%s://%.*s%.*s", out->tls ? "tls" : "nats", STR_ARG(user), STR_ARG(rest));
    return 0;
}

int bus_check_identity(const struct bus_config *config, struct diag *d)
{
    const char *const texts[] = {config->name, config->user, config->password, config->token};
    static const char *const names[] = {"name", "user", "password", "token"};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (const char *c = texts[i]; c && *c; c++) {
            if ((unsigned char)*c < ' ' || strchr("\"\\", *c))
                return diag_set(d, ERR_INVALID, "NATS: a %s with \" or \\ in it can't be sent",
                                names[i]);
        }
    }
    return 0;
}

int bus_parse_servers(struct bus *bus, const char *urls, struct diag *d)
{
    struct str rest = str_of(urls);

    while (rest.len > 0) {
        struct str one = str_trim(str_cut(&rest, ','));

        if (bus->server_count == BUS_SERVERS_MAX)
            return diag_set(d, ERR_LIMIT, "NATS: more than %d servers", BUS_SERVERS_MAX);
        if (parse_server(one, &bus->servers[bus->server_count]) != 0)
            return diag_set(d, ERR_INVALID,
                            "NATS: \"%.*s\" is no address of a server: it looks like "
                            "nats://HOST:4222 or tls://HOST:4222",
                            STR_ARG(one));
        bus->server_count++;
    }
    if (bus->server_count == 0)
        return diag_set(d, ERR_INVALID, "NATS: no server given, as in nats://HOST:4222");
    return 0;
}

void bus_add_server(struct bus *bus, const char *url, bool tls)
{
    struct bus_server server;

    if (bus->server_count == BUS_SERVERS_MAX || parse_server(str_of(url), &server) != 0)
        return;
    for (size_t i = 0; i < bus->server_count; i++) {
        if (strcmp(bus->servers[i].host, server.host) == 0 &&
            strcmp(bus->servers[i].port, server.port) == 0) {
            free_server(&server);
            return;
        }
    }
    server.tls = server.tls || tls;
    bus->servers[bus->server_count++] = server;
}

void bus_free_servers(struct bus *bus)
{
    for (size_t i = 0; i < bus->server_count; i++)
        free_server(&bus->servers[i]);
}

/* --- what went wrong -------------------------------------------------------------------------- */

/* The library says the same of a name that is not known and of a port that nobody listens on. */
static char *probe(const struct bus_server *server)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int err = getaddrinfo(server->host, server->port, &hints, &list);
    int fd;

    if (err != 0)
        return mem_printf("%s: %s", server->host, gai_strerror(err));
    err = 0;
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || (connect(fd, list->ai_addr, list->ai_addrlen) != 0 && errno != EINPROGRESS)) {
        err = errno;
    } else {
        struct pollfd pfd = {fd, POLLOUT, 0};
        socklen_t size = sizeof err;

        if (poll(&pfd, 1, 1000) != 1)
            err = ETIMEDOUT;
        else
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size);
    }
    if (fd >= 0)
        close(fd);
    freeaddrinfo(list);
    return mem_strdup(err ? err_text(-err) : "no connection");
}

/* What the library says, without the line of its source. */
static const char *last_words(natsStatus s)
{
    natsStatus ignored;
    const char *text = nats_GetLastError(&ignored);
    const char *end = text ? strstr(text, "): ") : NULL;

    if (end)
        text = end + 3;
    return text && *text ? text : natsStatus_GetText(s);
}

static void explain(struct bus_attempt *attempt, natsStatus s)
{
    const char *words = last_words(s);
    char *text = NULL;

    attempt->is_final = true;
    switch (s) {
    case NATS_NO_SERVER:
        attempt->is_final = false;
        text = probe(attempt->server);
        break;
    case NATS_TIMEOUT:
        attempt->is_final = false;
        text = mem_printf("no answer within %d s", attempt->connect_ms / 1000);
        break;
    case NATS_PROTOCOL_ERROR:
        text = mem_printf("no NATS server listens there (%s)", words);
        break;
    case NATS_CONNECTION_AUTH_FAILED:
        text = mem_printf("%s: check the user and password, token or credentials file", words);
        break;
    case NATS_SECURE_CONNECTION_WANTED:
        text = mem_strdup("the server has no TLS: use nats:// instead of tls://");
        break;
    case NATS_SSL_ERROR:
        text = mem_printf("TLS: %s; a certificate that is not of a public authority needs the file "
                          "of its CA (--nats-ca)",
                          words);
        break;
    default:
        attempt->is_final = s != NATS_CONNECTION_CLOSED && s != NATS_IO_ERROR;
        text = mem_strdup(words);
        break;
    }
    attempt->why = mem_printf("%s: %s", attempt->server->shown, text);
    mem_free(text);
}

/* --- options ---------------------------------------------------------------------------------- */

static natsStatus file_failed(struct bus_attempt *attempt, natsStatus s, const char *what,
                              const char *file)
{
    if (s != NATS_OK) {
        attempt->why = mem_printf("%s %s: %s", what, file, last_words(s));
        attempt->is_final = true;
    }
    return s;
}

static natsStatus set_tls(const struct bus *bus, struct bus_attempt *attempt, natsOptions *o)
{
    natsStatus s = NATS_OK;

    if (!attempt->server->tls && !bus->ca_file && !bus->cert_file && !bus->tls_name)
        return NATS_OK;
    s = natsOptions_SetSecure(o, true);
    if (s == NATS_OK && bus->is_own)
        s = natsOptions_SkipServerVerification(o, true);
    else if (s == NATS_OK)
        s = natsOptions_SetExpectedHostname(o,
                                            bus->tls_name ? bus->tls_name : attempt->server->host);
    if (s == NATS_OK && bus->ca_file)
        s = file_failed(attempt, natsOptions_LoadCATrustedCertificates(o, bus->ca_file),
                        "the CA file", bus->ca_file);
    if (s == NATS_OK && bus->cert_file)
        s = file_failed(attempt,
                        natsOptions_LoadCertificatesChain(o, bus->cert_file, bus->key_file),
                        "the certificate", bus->cert_file);
    return s;
}

static natsStatus set_identity(const struct bus *bus, struct bus_attempt *attempt, natsOptions *o)
{
    natsStatus s = NATS_OK;

    if (bus->name)
        s = natsOptions_SetName(o, bus->name);
    if (s == NATS_OK && bus->user)
        s = natsOptions_SetUserInfo(o, bus->user, bus->password ? bus->password : "");
    if (s == NATS_OK && bus->token)
        s = natsOptions_SetToken(o, bus->token);
    if (s == NATS_OK && bus->credentials) {
        if (access(bus->credentials, R_OK) != 0) {
            attempt->why =
                mem_printf("the credentials file %s: %s", bus->credentials, err_text(-errno));
            attempt->is_final = true;
            return NATS_INVALID_ARG;
        }
        s = natsOptions_SetUserCredentialsFromFiles(o, bus->credentials, NULL);
    }
    return s;
}

static natsStatus set_behaviour(struct bus *bus, const struct bus_attempt *attempt, natsOptions *o)
{
    natsStatus s = natsOptions_SetURL(o, attempt->server->url);

    if (s == NATS_OK)
        s = natsOptions_SetTimeout(o, attempt->connect_ms);
    if (s == NATS_OK)
        s = natsOptions_SetAllowReconnect(o, false);
    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(o, attempt->ping_ms);
    if (s == NATS_OK)
        s = natsOptions_SetMaxPingsOut(o, 2);
    if (s == NATS_OK)
        s = natsOptions_SetWriteDeadline(o, attempt->write_ms);
    /* Each message goes out at once: the other way is a thread that waits a millisecond. */
    if (s == NATS_OK)
        s = natsOptions_SetSendAsap(o, true);
    if (s == NATS_OK)
        s = natsOptions_UseGlobalMessageDelivery(o, true);
    if (s == NATS_OK)
        s = natsOptions_SetCustomInboxPrefix(o, bus->inbox_prefix);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(o, attempt->on_error, bus);
    if (s == NATS_OK)
        s = natsOptions_SetClosedCB(o, attempt->on_closed, bus);
    return s;
}

bool bus_connect(struct bus *bus, struct bus_attempt *attempt)
{
    natsOptions *o = NULL;
    natsStatus s = natsOptions_Create(&o);

    if (s == NATS_OK)
        s = set_behaviour(bus, attempt, o);
    if (s == NATS_OK)
        s = set_identity(bus, attempt, o);
    if (s == NATS_OK)
        s = set_tls(bus, attempt, o);
    if (s == NATS_OK)
        s = natsConnection_Connect(&attempt->nc, o);
    natsOptions_Destroy(o);
    if (s != NATS_OK && !attempt->why)
        explain(attempt, s);
    return s == NATS_OK;
}

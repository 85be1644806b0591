#include <openssl/evp.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/rng.h"
#include "net/dialer.h"
#include "net/proxy.h"
#include "proto/auth.h"
#include "proto/http1.h"
#include "proto/ws/internal.h"

enum {
    KEY_SIZE = 16,
    OWN_HEADERS = 10,
    FIRST_READ = 4096,
    SHA1_SIZE = 20,
};

struct handshake {
    const struct ws_request *request;
    struct arena *arena;
    struct ws_reply *reply;
    struct stream *stream;
    int64_t deadline;
    struct diag *d;
    struct str key;
    char *data; /* the answer; in the arena */
    size_t len;
    size_t cap;
};

/* --- the request -------------------------------------------------------------------------- */

/* RFC 6455 11.3: those that the handshake writes by itself. */
static bool is_own(struct str name)
{
    static const struct str names[] = {
        STR_INIT("Upgrade"),
        STR_INIT("Connection"),
        STR_INIT("Sec-WebSocket-Key"),
        STR_INIT("Sec-WebSocket-Version"),
        STR_INIT("Sec-WebSocket-Extensions"),
        STR_INIT("Content-Length"),
        STR_INIT("Transfer-Encoding"),
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_nocase(name, names[i]))
            return true;
    }
    return false;
}

static void make_key(struct handshake *h)
{
    uint8_t bytes[KEY_SIZE];
    struct buf text = BUF_INIT(64);

    rng_system(bytes, sizeof bytes);
    base64_encode(str_from((const char *)bytes, sizeof bytes), BASE64_STD, true, &text);
    h->key = arena_str(h->arena, buf_str(&text));
    buf_deinit(&text);
}

static bool has(const struct ws_request *r, struct str name)
{
    return header_find(r->headers, r->header_count, name) != NULL;
}

/* Appends a header of ours unless it is empty or the script has one of that name. */
static void add(const struct ws_request *r, struct http_header *list, size_t *count,
                struct str name, struct str value)
{
    if (value.len && !has(r, name))
        list[(*count)++] = (struct http_header){name, value};
}

static struct str write_request(struct handshake *h)
{
    const struct ws_request *r = h->request;
    struct http_header *list =
        arena_alloc(h->arena, (r->header_count + OWN_HEADERS) * sizeof *list);
    size_t count = 0;

    make_key(h);
    add(r, list, &count, STR("Host"), r->url.authority);
    add(r, list, &count, STR("User-Agent"), r->user_agent);
    list[count++] = (struct http_header){STR("Upgrade"), STR("websocket")};
    list[count++] = (struct http_header){STR("Connection"), STR("Upgrade")};
    list[count++] = (struct http_header){STR("Sec-WebSocket-Key"), h->key};
    list[count++] = (struct http_header){STR("Sec-WebSocket-Version"), STR("13")};
    add(r, list, &count, STR("Sec-WebSocket-Protocol"), r->protocols);
    if (r->deflate)
        list[count++] = (struct http_header){
            STR("Sec-WebSocket-Extensions"),
            STR("permessage-deflate; server_no_context_takeover; client_no_context_takeover")};
    if (r->url.has_user)
        add(r, list, &count, STR("Authorization"),
            auth_basic(r->url.user, r->url.password, h->arena));
    add(r, list, &count, STR("Cookie"), r->cookies);
    for (size_t i = 0; i < r->header_count; i++) {
        if (!is_own(r->headers[i].name))
            list[count++] = r->headers[i];
    }
    return http1_write_head(STR("GET"), r->url.target, list, count, h->arena);
}

static int check_headers(const struct ws_request *r, struct diag *d)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (!header_is_token(r->headers[i].name) || !header_is_value(r->headers[i].value))
            return diag_set(d, ERR_HTTP, "websocket: invalid header \"%.*s\"",
                            STR_ARG(r->headers[i].name));
    }
    return 0;
}

/* --- the answer --------------------------------------------------------------------------- */

static int read_more(struct handshake *h)
{
    ptrdiff_t got;

    if (h->len == h->cap) {
        char *data = arena_alloc(h->arena, h->cap * 2);

        memcpy(data, h->data, h->len);
        h->data = data;
        h->cap *= 2;
    }
    got = stream_read(h->stream, h->data + h->len, h->cap - h->len, h->deadline, NULL);
    if (got <= 0)
        return got == 0 ? ERR_UNEXPECTED_EOF : (int)got;
    h->len += (size_t)got;
    return 0;
}

/* Reads the head; *size: where it ends. */
static int read_head(struct handshake *h, struct http1_head *head, size_t *size)
{
    struct http1_scan scan = {0};
    const char *why = NULL;
    ptrdiff_t end;
    int err;

    h->cap = FIRST_READ;
    h->data = arena_alloc(h->arena, h->cap);
    while ((end = http1_scan_head(&scan, h->data, h->len)) == 0) {
        err = read_more(h);
        if (err)
            return err;
    }
    if (end < 0)
        return diag_set(h->d, (int)end, "malformed HTTP response");
    *size = (size_t)end;
    err = http1_parse_head(h->data, *size, scan.lines, false, h->arena, head, &why);
    return err ? diag_set(h->d, err, "%s", why ? why : err_text(err)) : 0;
}

/* RFC 6455 4.2.2: what the server has to make of our key. */
static struct str accept_of(struct handshake *h)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char *text = arena_printf(h->arena, "%.*s%s", STR_ARG(h->key), guid);
    uint8_t digest[SHA1_SIZE];
    struct buf out = BUF_INIT(64);
    struct str accept;

    EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL);
    base64_encode(str_from((const char *)digest, sizeof digest), BASE64_STD, true, &out);
    accept = arena_str(h->arena, buf_str(&out));
    buf_deinit(&out);
    return accept;
}

static int refuse(struct handshake *h, const char *why)
{
    return diag_set(h->d, ERR_WS_HANDSHAKE, "websocket: bad handshake: %s", why);
}

/* One of those that were offered, or none. */
static bool is_offered(struct str protocols, struct str chosen)
{
    return chosen.len == 0 || header_has_token(protocols, chosen);
}

/* Whether the answer takes permessage-deflate in the only form that was offered. */
static bool takes_deflate(struct str extensions, bool *deflate)
{
    struct str rest = extensions;
    bool both[2] = {false, false};

    *deflate = false;
    if (extensions.len == 0)
        return true;
    if (!str_eq_nocase(str_trim(str_cut(&rest, ';')), STR("permessage-deflate")))
        return false;
    while (rest.len > 0) {
        struct str parameter = str_trim(str_cut(&rest, ';'));

        if (str_eq_nocase(parameter, STR("server_no_context_takeover")))
            both[0] = true;
        else if (str_eq_nocase(parameter, STR("client_no_context_takeover")))
            both[1] = true;
        else if (!str_starts_with(parameter, STR("server_max_window_bits")))
            return false;
    }
    *deflate = both[0];
    return both[0];
}

static int check_answer(struct handshake *h, bool *deflate)
{
    const struct ws_reply *r = h->reply;

    if (r->status != 101)
        return diag_set(h->d, ERR_WS_HANDSHAKE, "websocket: bad handshake");
    if (!str_eq_nocase(header_value(r->headers, r->header_count, STR("Upgrade")),
                       STR("websocket")) ||
        !header_has_token(header_value(r->headers, r->header_count, STR("Connection")),
                          STR("Upgrade")))
        return refuse(h, "the server did not upgrade the connection");
    if (!str_eq(header_value(r->headers, r->header_count, STR("Sec-Websocket-Accept")),
                accept_of(h)))
        return refuse(h, "Sec-WebSocket-Accept does not fit the key");
    if (!is_offered(h->request->protocols, r->protocol))
        return refuse(h, "the server chose a subprotocol that was not offered");
    if (!takes_deflate(r->extensions, deflate) || (*deflate && !h->request->deflate))
        return refuse(h, "the server chose an extension that was not offered");
    return 0;
}

static void take_head(struct ws_reply *r, const struct http1_head *head)
{
    r->status = head->status;
    r->status_text = head->status_text;
    r->headers = head->headers;
    r->header_count = head->header_count;
    r->protocol = header_value(r->headers, r->header_count, STR("Sec-Websocket-Protocol"));
    r->extensions = header_value(r->headers, r->header_count, STR("Sec-Websocket-Extensions"));
}

/* --- the whole ---------------------------------------------------------------------------- */

static int dial(struct handshake *h)
{
    const struct url *u = &h->request->url;
    bool is_tls = str_eq_c(u->scheme, "https");
    struct dial_request request = {
        .host = u->host,
        .port = u->port,
        .is_tls = is_tls,
        .no_alpn = true,
        .wants_tunnel = true,
        .proxy = dialer_proxy(h->request->dialer, is_tls, u->host, u->port),
        .local = h->request->local,
        .deadline = h->deadline,
    };
    int err = dialer_dial(h->request->dialer, &request, &h->stream, &h->reply->dialled, h->d);

    if (err == 0)
        h->reply->remote = h->stream->remote;
    return err;
}

static int shake_hands(struct handshake *h, struct ws **out)
{
    struct str request = write_request(h);
    struct http1_head head = {0};
    bool deflate = false;
    size_t size = 0;
    int64_t start = clock_now();
    int err = stream_write(h->stream, request.ptr, request.len, h->deadline);
    int64_t sent = clock_now();

    h->reply->sending = sent - start;
    if (err == 0)
        err = read_head(h, &head, &size);
    h->reply->waiting = clock_now() - sent;
    if (err) {
        if (stream_error_text(h->stream))
            diag_set(h->d, err, "%s", stream_error_text(h->stream));
        return err;
    }
    take_head(h->reply, &head);
    err = check_answer(h, &deflate);
    if (err)
        return err;
    *out = ws_new(h->stream, deflate, h->request->max_message,
                  str_from(h->data + size, h->len - size));
    return 0;
}

int ws_connect(const struct ws_request *request, int64_t deadline, struct arena *a,
               struct ws_reply *reply, struct ws **out, struct diag *d)
{
    struct handshake h = {
        .request = request,
        .arena = a,
        .reply = reply,
        .deadline = deadline,
        .d = d,
    };
    int err = check_headers(request, d);

    *reply = (struct ws_reply){.status_text = STR(""), .protocol = STR(""), .extensions = STR("")};
    if (err == 0)
        err = dial(&h);
    if (err)
        return err;
    err = shake_hands(&h, out);
    if (err)
        stream_close(h.stream);
    return err;
}

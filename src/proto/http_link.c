/* The connections of a client: kept ones for HTTP/1.1 (net/pool.h), and one shared per origin for
 * HTTP/2. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "net/tls.h"
#include "proto/http_internal.h"

/* A fiber that waits for another one's dial; on its stack. */
struct waiting {
    struct fiber *fiber;
    struct waiting *next;
};

/* Somewhere that has spoken HTTP/2 once. While one fiber dials it, others wait for that one. */
struct http_origin {
    struct pool_key key;  /* its texts lie behind the struct */
    struct h2_conn *conn; /* NULL: none now */
    struct waiting *waiting;
    bool is_dialing;
    struct http_origin *next;
};

/* --- origins ------------------------------------------------------------------------------ */

static struct http_origin *find_origin(struct http_client *client, const struct pool_key *key)
{
    struct http_origin *o = client->origins;

    while (o && !pool_key_eq(&o->key, key))
        o = o->next;
    return o;
}

static struct http_origin *add_origin(struct http_client *client, const struct pool_key *key)
{
    struct http_origin *o = mem_zalloc(sizeof *o + key->host.len + key->proxy.len);
    char *texts = (char *)(o + 1);

    o->key = *key;
    if (key->host.len)
        memcpy(texts, key->host.ptr, key->host.len);
    if (key->proxy.len)
        memcpy(texts + key->host.len, key->proxy.ptr, key->proxy.len);
    o->key.host.ptr = texts;
    o->key.proxy.ptr = texts + key->host.len;
    o->next = client->origins;
    client->origins = o;
    return o;
}

/* Lets go of a connection (NULL is allowed); what it carried is counted. */
static void let_go(struct http_client *client, struct h2_conn **conn)
{
    uint64_t sent;
    uint64_t received;

    if (!*conn)
        return;
    h2_conn_take_bytes(*conn, &sent, &received);
    client->sent += sent;
    client->received += received;
    h2_conn_unref(*conn);
    *conn = NULL;
}

void http_origins_close_idle(struct http_client *client)
{
    for (struct http_origin *o = client->origins; o; o = o->next)
        let_go(client, &o->conn);
}

void http_origins_free(struct http_client *client)
{
    while (client->origins) {
        struct http_origin *o = client->origins;

        client->origins = o->next;
        h2_conn_unref(o->conn);
        mem_free(o);
    }
}

/* Waits until nobody dials the origin. */
YIELDS static int wait_for_dial(struct http_origin *o, int64_t deadline)
{
    struct waiting me = {.fiber = fiber_current(), .next = o->waiting};
    struct waiting **at;
    int err = 0;

    o->waiting = &me;
    while (o->is_dialing && err == 0)
        err = fiber_park_until(deadline);
    for (at = &o->waiting; *at != &me; at = &(*at)->next)
        continue;
    *at = me.next;
    return err;
}

static void end_dial(struct http_origin *o)
{
    o->is_dialing = false;
    for (struct waiting *w = o->waiting; w; w = w->next)
        fiber_wake(w->fiber);
}

/* --- getting one -------------------------------------------------------------------------- */

static struct pool_key key_of(const struct http_exchange *x, const struct proxy *proxy)
{
    const struct url *u = x->chain->url;

    return (struct pool_key){
        .host = u->host,
        .proxy = proxy ? proxy->key : STR(""),
        .port = u->port,
        .is_tls = str_eq_c(u->scheme, "https"),
    };
}

/* NTLM speaks for a connection, which HTTP/2 shares: RFC 9113 has no place for it. */
static bool may_speak_h2(const struct http_chain *c)
{
    return c->request->auth != HTTP_AUTH_NTLM;
}

static bool keeps_connections(const struct http_chain *c)
{
    return !c->client->options.no_reuse && !c->asks_close;
}

/* A fresh connection that turned out to speak HTTP/2. When there is one to that origin meanwhile,
 * because several requests dialled at once, it is that one that is used. */
static void take_h2(struct http_exchange *x, const struct pool_key *key, struct stream *stream)
{
    struct http_client *client = x->chain->client;
    struct http_origin *o;

    if (!keeps_connections(x->chain)) {
        x->link.h2 = h2_conn_new(stream);
        return;
    }
    o = find_origin(client, key);
    if (!o)
        o = add_origin(client, key);
    if (o->conn && h2_conn_is_open(o->conn)) {
        client->sent += stream->bytes.sent;
        client->received += stream->bytes.received;
        stream_close(stream);
    } else {
        let_go(client, &o->conn);
        o->conn = h2_conn_new(stream);
    }
    x->link.h2 = h2_conn_ref(o->conn);
}

static int dial(struct http_exchange *x, const struct pool_key *key, const struct proxy *proxy)
{
    struct http_chain *c = x->chain;
    struct dial_request request = {
        .host = key->host,
        .port = key->port,
        .is_tls = key->is_tls,
        .offer_h2 = may_speak_h2(c),
        .proxy = proxy,
        .local = c->client->options.local,
        .deadline = c->deadline,
    };
    struct stream *stream;
    int err = dialer_dial(c->client->options.dialer, &request, &stream, &x->link.dial, &c->diag);

    if (err)
        return err;
    x->link.connected = clock_now();
    if (stream->tls && stream->tls->is_h2)
        take_h2(x, key, stream);
    else
        x->link.conn = conn_new(key, stream);
    return 0;
}

/* The origin's connection, or a dial that is the only one at a time. */
static int open_shared(struct http_exchange *x, struct http_origin *o, const struct proxy *proxy)
{
    struct http_chain *c = x->chain;
    int err = wait_for_dial(o, c->deadline);

    if (err)
        return err;
    if (o->conn && h2_conn_is_open(o->conn)) {
        x->link.h2 = h2_conn_ref(o->conn);
        x->link.is_reused = true;
        x->link.connected = clock_now();
        return 0;
    }
    let_go(c->client, &o->conn);
    o->is_dialing = true;
    err = dial(x, &o->key, proxy);
    end_dial(o);
    return err;
}

int http_link_open(struct http_exchange *x, const struct proxy *proxy)
{
    struct http_chain *c = x->chain;
    struct http_link *l = &x->link;
    struct pool_key key = key_of(x, proxy);
    struct http_origin *o = NULL;

    *l = (struct http_link){.start = clock_now(), .conn = c->held};
    c->held = NULL;
    if (!l->conn && keeps_connections(c))
        l->conn = pool_take(&c->client->pool, &key);
    if (l->conn) {
        l->is_reused = true;
        l->before = l->conn->stream->bytes;
        l->connected = l->start;
        return 0;
    }
    if (keeps_connections(c) && may_speak_h2(c))
        o = find_origin(c->client, &key);
    return o ? open_shared(x, o, proxy) : dial(x, &key, proxy);
}

/* --- giving it back ----------------------------------------------------------------------- */

const struct stream *http_link_stream(const struct http_link *l)
{
    return l->h2 ? h2_conn_transport(l->h2) : l->conn->stream;
}

/* Kept for the next round, in the pool, or closed. */
static void close_h1(struct http_exchange *x, int err)
{
    struct http_chain *c = x->chain;
    struct conn *conn = x->link.conn;
    struct stream_bytes now = conn->stream->bytes;

    x->link.conn = NULL;
    c->client->sent += now.sent - x->link.before.sent;
    c->client->received += now.received - x->link.before.received;
    if (err && stream_error_text(conn->stream))
        diag_set(&c->diag, err, "%s", stream_error_text(conn->stream));
    if (err || !x->can_reuse || !keeps_connections(c))
        conn_free(conn);
    else if (c->is_auth_round && c->request->auth == HTTP_AUTH_NTLM)
        c->held = conn;
    else
        pool_give(&c->client->pool, conn);
}

void http_link_close(struct http_exchange *x, int err)
{
    if (x->link.h2)
        let_go(x->chain->client, &x->link.h2);
    else
        close_h1(x, err);
}

#include "net/pool.h"

#include <string.h>

#include "base/mem.h"

void pool_init(struct pool *pool, size_t max_idle, size_t max_idle_per_host)
{
    *pool = (struct pool){.max_idle = max_idle, .max_idle_per_host = max_idle_per_host};
}

void pool_deinit(struct pool *pool)
{
    pool_close_idle(pool);
}

bool pool_key_eq(const struct pool_key *a, const struct pool_key *b)
{
    return a->port == b->port && a->is_tls == b->is_tls && str_eq(a->host, b->host) &&
           str_eq(a->proxy, b->proxy);
}

static void unlink_conn(struct pool *pool, struct conn *c)
{
    *(c->_newer ? &c->_newer->_older : &pool->_newest) = c->_older;
    *(c->_older ? &c->_older->_newer : &pool->_oldest) = c->_newer;
    c->_newer = NULL;
    c->_older = NULL;
    pool->_count--;
}

struct conn *pool_take(struct pool *pool, const struct pool_key *key)
{
    struct conn *older;

    for (struct conn *c = pool->_newest; c; c = older) {
        older = c->_older;
        if (!pool_key_eq(&c->_key, key))
            continue;
        unlink_conn(pool, c);
        if (stream_is_idle_healthy(c->stream))
            return c;
        conn_free(c);
    }
    return NULL;
}

struct conn *conn_new(const struct pool_key *key, struct stream *stream)
{
    struct conn *c = mem_alloc(sizeof *c + key->host.len + key->proxy.len);
    char *texts = (char *)(c + 1);

    *c = (struct conn){.stream = stream, ._key = *key};
    if (key->host.len)
        memcpy(texts, key->host.ptr, key->host.len);
    if (key->proxy.len)
        memcpy(texts + key->host.len, key->proxy.ptr, key->proxy.len);
    c->_key.host.ptr = texts;
    c->_key.proxy.ptr = texts + key->host.len;
    return c;
}

void conn_free(struct conn *conn)
{
    if (!conn)
        return;
    stream_close(conn->stream);
    mem_free(conn);
}

/* The oldest idle connection of a host that has as many as it may; NULL: it has fewer. */
static struct conn *surplus_of_host(const struct pool *pool, const struct pool_key *key)
{
    struct conn *oldest = NULL;
    size_t count = 0;

    if (pool->_count < pool->max_idle_per_host)
        return NULL;
    for (struct conn *c = pool->_newest; c; c = c->_older) {
        if (pool_key_eq(&c->_key, key)) {
            oldest = c;
            count++;
        }
    }
    return count >= pool->max_idle_per_host ? oldest : NULL;
}

void pool_give(struct pool *pool, struct conn *conn)
{
    struct conn *surplus;

    if (pool->max_idle == 0 || pool->max_idle_per_host == 0) {
        conn_free(conn);
        return;
    }
    surplus = surplus_of_host(pool, &conn->_key);
    if (!surplus && pool->_count >= pool->max_idle)
        surplus = pool->_oldest;
    if (surplus) {
        unlink_conn(pool, surplus);
        conn_free(surplus);
    }
    conn->_newer = NULL;
    conn->_older = pool->_newest;
    *(pool->_newest ? &pool->_newest->_newer : &pool->_oldest) = conn;
    pool->_newest = conn;
    pool->_count++;
}

void pool_close_idle(struct pool *pool)
{
    while (pool->_newest) {
        struct conn *c = pool->_newest;

        unlink_conn(pool, c);
        conn_free(c);
    }
}

size_t pool_idle_count(const struct pool *pool)
{
    return pool->_count;
}

#include "fleet/blob_store.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "fleet/bus.h"

#define PUBLISH_TIMEOUT (10 * NSEC_PER_SEC)

enum { TRIES = 10, FOLLOW_BYTES = 8 * 1024 * 1024 };

struct blob {
    size_t len;
    size_t users; /* runs that have put it */
    char bytes[];
};

struct blob_store {
    struct bus *bus;
    struct map blobs;          /* struct blob by hexadecimal hash */
    struct bringing *bringing; /* a list */
};

int blob_store_new(struct bus *bus, struct blob_store **out, struct diag *d)
{
    struct blob_store *s;
    int err = bus_stream_make(
        bus, &(struct bus_stream_config){.name = BLOB_STREAM, .subjects = "gale.blob.>"}, d);

    if (err)
        return err;
    s = mem_zalloc(sizeof *s);
    s->bus = bus;
    map_init(&s->blobs);
    *out = s;
    return 0;
}

/* --- putting -------------------------------------------------------------------------------- */

/* One chunk on its way; holds its own copy, as the blob may be dropped meanwhile. */
struct chunk {
    struct bus *bus;
    char *subject;
    char *id;
    unsigned tries;
    size_t len;
    char bytes[];
};

static void send_chunk(struct chunk *c);

static void free_chunk(struct chunk *c)
{
    mem_free(c->subject);
    mem_free(c->id);
    mem_free(c);
}

static void on_sent(void *arg, int err)
{
    struct chunk *c = arg;

    if (err == 0 || ++c->tries == TRIES) {
        if (err)
            log_printf(LOG_ERROR,
                       "a piece of a script or its data could not be stored (%s): should this "
                       "controller end now, another can't go on with the run",
                       err_text(err));
        free_chunk(c);
        return;
    }
    send_chunk(c);
}

static void send_chunk(struct chunk *c)
{
    int err = bus_stream_publish(c->bus, c->subject, c->id, str_from(c->bytes, c->len),
                                 PUBLISH_TIMEOUT, on_sent, c);

    if (err) {
        log_printf(LOG_ERROR, "a script's data could not be stored: %s", err_text(err));
        free_chunk(c);
    }
}

static void publish(struct blob_store *s, const char *name, struct str bytes)
{
    for (size_t at = 0; at < bytes.len; at += BLOB_CHUNK) {
        size_t len = bytes.len - at < BLOB_CHUNK ? bytes.len - at : BLOB_CHUNK;
        struct chunk *c = mem_alloc(sizeof *c + len);

        *c = (struct chunk){
            .bus = s->bus,
            .subject = mem_printf("gale.blob.%s", name),
            .id = mem_printf("%s.%zu", name, at),
            .len = len,
        };
        memcpy(c->bytes, bytes.ptr + at, len);
        send_chunk(c);
    }
}

static struct blob *add(struct blob_store *s, const char *name, struct str bytes)
{
    struct blob *b = mem_alloc(sizeof *b + bytes.len);

    *b = (struct blob){.len = bytes.len, .users = 1};
    memcpy(b->bytes, bytes.ptr, bytes.len);
    mem_free(map_set(&s->blobs, str_of(name), b));
    return b;
}

void blob_store_put(struct blob_store *s, struct str bytes, struct blob_id *out)
{
    char name[2 * BLOB_HASH + 1];
    struct blob *b;

    blob_id_of(bytes, out);
    blob_id_text(out, name);
    b = map_get(&s->blobs, str_of(name));
    if (b) {
        b->users++;
        return;
    }
    add(s, name, bytes);
    publish(s, name, bytes);
}

bool blob_store_get(const struct blob_store *s, const uint8_t sha256[BLOB_HASH], struct str *out)
{
    struct blob_id id = {.size = 0};
    char name[2 * BLOB_HASH + 1];
    struct blob *b;

    memcpy(id.sha256, sha256, BLOB_HASH);
    blob_id_text(&id, name);
    b = map_get(&s->blobs, str_of(name));
    if (b)
        *out = str_from(b->bytes, b->len);
    return b != NULL;
}

void blob_store_drop(struct blob_store *s, const struct blob_id *id)
{
    char name[2 * BLOB_HASH + 1];
    struct blob *b;
    char *subject;

    blob_id_text(id, name);
    b = map_get(&s->blobs, str_of(name));
    if (!b || --b->users > 0)
        return;
    map_remove(&s->blobs, str_of(name));
    mem_free(b);
    subject = mem_printf("gale.blob.%s", name);
    bus_stream_purge(s->bus, BLOB_STREAM, subject);
    mem_free(subject);
}

/* --- bringing back -------------------------------------------------------------------------- */

struct bringing {
    struct blob_store *store;
    struct bringing *next;
    struct blob_id id;
    struct buf bytes;
    struct bus_sub *sub;
    void (*fn)(void *arg, int err);
    void *arg;
};

static void finish(struct bringing *b, int err)
{
    struct bringing **at = &b->store->bringing;

    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    bus_unsubscribe(b->sub);
    buf_deinit(&b->bytes);
    b->fn(b->arg, err);
    mem_free(b);
}

static void on_chunk(void *arg, const struct bus_message *m)
{
    struct bringing *b = arg;
    char name[2 * BLOB_HASH + 1];
    struct blob_id got;

    buf_append_str(&b->bytes, m->data);
    if (b->bytes.len < b->id.size)
        return;
    blob_id_of(buf_str(&b->bytes), &got);
    if (memcmp(got.sha256, b->id.sha256, BLOB_HASH) != 0) {
        finish(b, ERR_INVALID);
        return;
    }
    blob_id_text(&b->id, name);
    add(b->store, name, buf_str(&b->bytes));
    finish(b, 0);
}

void blob_store_bring(struct blob_store *s, const struct blob_id *id,
                      void (*fn)(void *arg, int err), void *arg)
{
    struct bringing *b;
    char name[2 * BLOB_HASH + 1];
    struct blob *there;
    char *subject;
    int err;

    blob_id_text(id, name);
    there = map_get(&s->blobs, str_of(name));
    if (there) {
        there->users++;
        fn(arg, 0);
        return;
    }
    b = mem_zalloc(sizeof *b);
    *b = (struct bringing){.store = s, .next = s->bringing, .id = *id, .fn = fn, .arg = arg};
    buf_init(&b->bytes, (size_t)BLOB_MAX);
    s->bringing = b;
    subject = mem_printf("gale.blob.%s", name);
    err = bus_stream_follow(s->bus, &(struct bus_follow){BLOB_STREAM, subject, 1, FOLLOW_BYTES},
                            on_chunk, b, &b->sub);
    mem_free(subject);
    if (err)
        finish(b, err);
}

void blob_store_free(struct blob_store *s)
{
    if (!s)
        return;
    while (s->bringing)
        finish(s->bringing, ERR_CANCELLED);
    map_deinit_with(&s->blobs, mem_free);
    mem_free(s);
}

#include "fleet/blob.h"

#include <fleet.pb-c.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/bus.h"
#include "fleet/message.h"
#include "loop/fiber.h"

#define CHUNK_TIMEOUT (2 * NSEC_PER_SEC)
#define PAUSE (500 * NSEC_PER_MSEC)

void blob_id_of(struct str bytes, struct blob_id *out)
{
    SHA256((const unsigned char *)bytes.ptr, bytes.len, out->sha256);
    out->size = bytes.len;
}

void blob_id_text(const struct blob_id *id, char out[2 * BLOB_HASH + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < BLOB_HASH; i++) {
        out[2 * i] = digits[id->sha256[i] >> 4];
        out[2 * i + 1] = digits[id->sha256[i] & 15];
    }
    out[2 * BLOB_HASH] = '\0';
}

/* --- fetching ------------------------------------------------------------------------------- */

/* On the heap, because an answer may come after its fiber has given up. */
struct chunk {
    struct fiber *fiber; /* NULL: nobody waits any more */
    char *room;
    size_t len; /* wanted, then got */
    int err;
    bool is_done;
    char *error; /* the controller's; owned */
};

static void take_answer(struct chunk *c, const struct bus_message *m)
{
    Gale__Fleet__Answer *answer =
        gale__fleet__answer__unpack(NULL, m->data.len, (const uint8_t *)m->data.ptr);

    if (!answer) {
        c->err = ERR_SYNTAX;
    } else if (answer->error && answer->error[0]) {
        c->err = ERR_NOT_FOUND;
        c->error = mem_strdup(answer->error);
    } else if (answer->data.len == 0 || answer->data.len > c->len) {
        c->err = ERR_SYNTAX;
    } else {
        memcpy(c->room, answer->data.data, answer->data.len);
        c->len = answer->data.len;
        c->err = 0;
    }
    if (answer)
        gale__fleet__answer__free_unpacked(answer, NULL);
}

static void on_chunk(void *arg, int err, const struct bus_message *m)
{
    struct chunk *c = arg;

    if (!c->fiber) {
        mem_free(c);
        return;
    }
    c->err = err;
    if (err == 0)
        take_answer(c, m);
    c->is_done = true;
    fiber_wake(c->fiber);
}

static int ask(struct bus *bus, const char *subject, const struct blob_id *id, uint64_t offset,
               struct chunk *c)
{
    Gale__Fleet__Ask__Chunk chunk = GALE__FLEET__ASK__CHUNK__INIT;
    Gale__Fleet__Ask message = GALE__FLEET__ASK__INIT;
    uint8_t hash[BLOB_HASH];
    struct buf packed;
    int err;

    memcpy(hash, id->sha256, BLOB_HASH);
    chunk.sha256 = (ProtobufCBinaryData){BLOB_HASH, hash};
    chunk.offset = offset;
    message.chunk = &chunk;
    message_pack(&message.base, &packed);
    err = bus_request(bus, subject, buf_str(&packed), CHUNK_TIMEOUT, on_chunk, c);
    buf_deinit(&packed);
    return err;
}

/* One try. Bytes got (positive), or an error. */
YIELDS static int64_t fetch_chunk(struct bus *bus, const char *subject, const struct blob_id *id,
                                  uint64_t offset, char *room, struct diag *d)
{
    struct chunk *c = mem_zalloc(sizeof *c);
    uint64_t left = id->size - offset;
    int64_t result;
    int err;

    c->room = room;
    c->len = left < BLOB_CHUNK ? (size_t)left : BLOB_CHUNK;
    c->fiber = fiber_current();
    err = ask(bus, subject, id, offset, c);
    if (err) {
        mem_free(c);
        return err;
    }
    while (!c->is_done) {
        if (fiber_park() != 0 && !c->is_done) {
            c->fiber = NULL; /* the answer frees it */
            return ERR_CANCELLED;
        }
    }
    result = c->err ? c->err : (int64_t)c->len;
    if (c->error)
        diag_set(d, ERR_NOT_FOUND, "%s", c->error);
    mem_free(c->error);
    mem_free(c);
    return result;
}

static int check(const struct blob_id *id, const char *bytes, struct diag *d)
{
    struct blob_id got;

    blob_id_of(str_from(bytes, id->size), &got);
    if (memcmp(got.sha256, id->sha256, BLOB_HASH) == 0)
        return 0;
    return diag_set(d, ERR_INVALID,
                    "what the controller sent does not have the SHA-256 that it announced");
}

YIELDS int blob_fetch(struct bus *bus, const char *subject, const struct blob_id *id,
                      int64_t deadline, char **out, struct diag *d)
{
    uint64_t offset = 0;
    char *bytes;
    int err = 0;

    if (id->size > BLOB_MAX)
        return diag_set(d, ERR_LIMIT, "the controller announced %llu bytes, at most %llu are taken",
                        (unsigned long long)id->size, (unsigned long long)BLOB_MAX);
    bytes = mem_alloc(id->size + 1);
    while (err == 0 && offset < id->size) {
        int64_t got = fetch_chunk(bus, subject, id, offset, bytes + offset, d);

        if (got > 0)
            offset += (uint64_t)got;
        else if (got == ERR_CANCELLED || got == ERR_NOT_FOUND)
            err = (int)got;
        else if (clock_now() > deadline)
            err = diag_set(d, ERR_TIMEOUT, "no answer from the controller: %s", err_text((int)got));
        else if (fiber_sleep_until(clock_now() + PAUSE) != 0)
            err = ERR_CANCELLED;
    }
    if (err == 0)
        err = check(id, bytes, d);
    if (err) {
        mem_free(bytes);
        return err;
    }
    bytes[id->size] = '\0';
    *out = bytes;
    return 0;
}

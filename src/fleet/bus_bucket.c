/* Buckets as NATS keeps them: a stream KV_BUCKET that holds one message per subject
 * $KV.BUCKET.KEY. A revision is the message's sequence number. */
#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/bus_internal.h"

enum { PUT_SEC = 5, LIST_LIMIT = 4 << 20 };

#define DUPLICATES_NSEC (2 * 60 * NSEC_PER_SEC)

static bool is_bucket(const char *bucket)
{
    return bus_check_subject(bucket, false) == 0 && !strchr(bucket, '.');
}

int bus_bucket_make(struct bus *bus, const char *bucket, int64_t ttl_nsec, struct diag *d)
{
    int64_t window = ttl_nsec > 0 && ttl_nsec < DUPLICATES_NSEC ? ttl_nsec : DUPLICATES_NSEC;
    json_t *root;

    if (!is_bucket(bucket))
        return diag_set(d, ERR_INVALID, "NATS: no bucket can be named %s", bucket);
    root = json_pack("{s:o, s:[o], s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:b, s:b, s:b}", "name",
                     json_sprintf("KV_%s", bucket), "subjects", json_sprintf("$KV.%s.>", bucket),
                     "storage", "file", "retention", "limits", "discard", "new",
                     "max_msgs_per_subject", (json_int_t)1, "max_age", (json_int_t)ttl_nsec,
                     "duplicate_window", (json_int_t)window, "num_replicas", 1, "deny_delete", 1,
                     "allow_rollup_hdrs", 1, "allow_direct", 1);
    return bus_api_make_stream(bus, root, d);
}

struct change {
    void (*fn)(void *arg, int err, uint64_t revision);
    void *arg;
};

static void on_changed(void *arg, int err, natsMsg *msg, int64_t mono_nsec)
{
    struct change *c = arg;
    json_t *root = NULL;

    (void)mono_nsec;
    if (err == 0)
        err = bus_api_result(msg, &root, NULL);
    c->fn(c->arg, err, (uint64_t)json_integer_value(json_object_get(root, "seq")));
    json_decref(root);
    mem_free(c);
}

static struct change *change_new(void (*fn)(void *arg, int err, uint64_t revision), void *arg)
{
    struct change *c = mem_alloc(sizeof *c);

    *c = (struct change){fn, arg};
    return c;
}

int bus_bucket_put(struct bus *bus, const char *bucket, const struct bus_entry *entry,
                   void (*fn)(void *arg, int err, uint64_t revision), void *arg)
{
    struct change *c;
    struct bus_call call = {
        .bytes = entry->value, .timeout_nsec = PUT_SEC * NSEC_PER_SEC, .done = on_changed};
    char *subject;
    char *revision;
    int err;

    if (!is_bucket(bucket))
        return ERR_INVALID;
    c = change_new(fn, arg);
    subject = mem_printf("$KV.%s.%.*s", bucket, STR_ARG(entry->key));
    revision = mem_printf("%llu", (unsigned long long)entry->revision);
    call.subject = subject;
    call.arg = c;
    if (entry->revision != BUS_ANY_REVISION) {
        call.header = "Nats-Expected-Last-Subject-Sequence";
        call.value = revision;
    }
    err = bus_call(bus, &call);
    mem_free(revision);
    mem_free(subject);
    if (err < 0)
        mem_free(c);
    return err;
}

/* Nothing stays of it, not even a mark that it was deleted: then it may be made anew as if it had
 * never been. */
int bus_bucket_delete(struct bus *bus, const char *bucket, struct str key,
                      void (*fn)(void *arg, int err, uint64_t revision), void *arg)
{
    struct change *c;
    char *stream;
    char *subject;
    int err = ERR_INVALID;

    if (!is_bucket(bucket))
        return ERR_INVALID;
    c = change_new(fn, arg);
    stream = mem_printf("KV_%s", bucket);
    subject = mem_printf("$KV.%s.%.*s", bucket, STR_ARG(key));
    if (bus_check_subject(subject, false) == 0)
        err = bus_api_purge(bus, stream, subject, on_changed, c);
    mem_free(stream);
    mem_free(subject);
    if (err < 0)
        mem_free(c);
    return err;
}

/* --- listing ---------------------------------------------------------------------------------- */

struct list {
    struct bus_sub *sub;
    size_t prefix; /* bytes of "$KV.BUCKET." */
    void (*fn)(void *arg, int err, const struct bus_entry *e);
    void *arg;
};

static void on_entry(void *arg, const struct bus_pulled *m)
{
    struct list *l = arg;
    const char *operation = NULL;
    struct bus_entry e = {
        .key = str_from_index(str_of(natsMsg_GetSubject(m->msg)), l->prefix),
        .value = str_from(natsMsg_GetData(m->msg), (size_t)natsMsg_GetDataLength(m->msg)),
        .revision = m->sequence,
    };

    /* NATS' own tools mark what they delete. */
    if (natsMsgHeader_Get(m->msg, "KV-Operation", &operation) == NATS_OK && operation)
        e.value = (struct str){NULL, 0};
    else if (!e.value.ptr)
        e.value.ptr = "";
    l->fn(l->arg, 0, &e);
}

static void on_listed(void *arg, int err)
{
    struct list *l = arg;
    struct bus_sub *sub = l->sub;

    l->fn(l->arg, err, NULL);
    if (err != ERR_CANCELLED) /* then it is being unsubscribed */
        bus_unsubscribe(sub);
}

int bus_bucket_list(struct bus *bus, const char *bucket,
                    void (*fn)(void *arg, int err, const struct bus_entry *e), void *arg)
{
    struct list *l;
    struct bus_pull_config pull = {.from = 0,
                                   .limit = LIST_LIMIT,
                                   .on_message = on_entry,
                                   .on_end = on_listed,
                                   .free_arg = mem_free};
    char *stream;
    char *subject;
    int err;

    if (!is_bucket(bucket))
        return ERR_INVALID;
    if (!bus_is_up(bus))
        return ERR_LINK_DOWN;
    l = mem_zalloc(sizeof *l);
    stream = mem_printf("KV_%s", bucket);
    subject = mem_printf("$KV.%s.>", bucket);
    l->prefix = strlen(subject) - 1;
    l->fn = fn;
    l->arg = arg;
    pull.stream = stream;
    pull.subject = subject;
    pull.arg = l;
    err = bus_pull(bus, &pull, &l->sub);
    mem_free(stream);
    mem_free(subject);
    if (err < 0)
        mem_free(l);
    return err;
}

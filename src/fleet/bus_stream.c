#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/bus_internal.h"

enum { PURGE_SEC = 10 };

/* Copies of a message are known by their id for so long, if the stream keeps them so long. */
#define DUPLICATES_NSEC (2 * 60 * NSEC_PER_SEC)

int bus_stream_make(struct bus *bus, const struct bus_stream_config *config, struct diag *d)
{
    int64_t window = DUPLICATES_NSEC;
    json_t *root;

    if (config->max_age_nsec > 0 && config->max_age_nsec < window)
        window = config->max_age_nsec;
    if (bus_check_subject(config->name, false) != 0 || strchr(config->name, '.') ||
        bus_check_subject(config->subjects, true) != 0)
        return diag_set(d, ERR_INVALID, "NATS: no stream can be named %s, with the subjects %s",
                        config->name, config->subjects);
    /* A full stream refuses what is new: what it has acknowledged it keeps. */
    root =
        json_pack("{s:s, s:[s], s:s, s:s, s:s, s:I, s:I, s:I, s:i}", "name", config->name,
                  "subjects", config->subjects, "storage", "file", "retention", "limits", "discard",
                  "new", "max_bytes", (json_int_t)(config->max_bytes > 0 ? config->max_bytes : -1),
                  "max_age", (json_int_t)config->max_age_nsec, "duplicate_window",
                  (json_int_t)window, "num_replicas", 1);
    return bus_api_make_stream(bus, root, d);
}

/* --- publishing ------------------------------------------------------------------------------- */

struct publication {
    void (*fn)(void *arg, int err);
    void *arg;
};

static void on_ack(void *arg, int err, natsMsg *msg, int64_t mono_nsec)
{
    struct publication *p = arg;

    (void)mono_nsec;
    if (err == 0)
        err = bus_api_result(msg, NULL, NULL);
    p->fn(p->arg, err);
    mem_free(p);
}

int bus_stream_publish(struct bus *bus, const char *subject, const char *message_id,
                       struct str bytes, int64_t timeout_nsec, void (*fn)(void *arg, int err),
                       void *arg)
{
    struct publication *p = mem_alloc(sizeof *p);
    struct bus_call call = {.subject = subject,
                            .bytes = bytes,
                            .header = message_id ? "Nats-Msg-Id" : NULL,
                            .value = message_id,
                            .timeout_nsec = timeout_nsec,
                            .done = on_ack,
                            .arg = p};
    int err;

    *p = (struct publication){fn, arg};
    err = bus_call(bus, &call);
    if (err < 0)
        mem_free(p);
    return err;
}

/* --- following -------------------------------------------------------------------------------- */

struct follower {
    void (*fn)(void *arg, const struct bus_message *m);
    void *arg;
};

static void on_message(void *arg, const struct bus_pulled *pulled)
{
    struct follower *f = arg;
    struct bus_message m = bus_message_of(pulled->msg, pulled->mono_nsec);

    m.reply = NULL; /* for acknowledgements, which nobody waits for */
    m.sequence = pulled->sequence;
    f->fn(f->arg, &m);
}

int bus_stream_follow(struct bus *bus, const struct bus_follow *what,
                      void (*fn)(void *arg, const struct bus_message *m), void *arg,
                      struct bus_sub **out)
{
    struct follower *f = mem_alloc(sizeof *f);
    struct bus_pull_config pull = {.stream = what->stream,
                                   .subject = what->subject,
                                   .from = what->from ? what->from : 1,
                                   .limit = what->limit,
                                   .on_message = on_message,
                                   .free_arg = mem_free,
                                   .arg = f};
    int err;

    *f = (struct follower){fn, arg};
    err = bus_pull(bus, &pull, out);
    if (err < 0)
        mem_free(f);
    return err;
}

/* --- purging ---------------------------------------------------------------------------------- */

static void ignore(void *arg, int err, natsMsg *msg, int64_t mono_nsec)
{
    (void)arg;
    (void)err;
    (void)msg;
    (void)mono_nsec;
}

int bus_api_purge(struct bus *bus, const char *stream, const char *subject,
                  void (*done)(void *arg, int err, natsMsg *msg, int64_t mono_nsec), void *arg)
{
    char *api = mem_printf("$JS.API.STREAM.PURGE.%s", stream);
    char *text = bus_api_text(json_pack("{s:s}", "filter", subject));
    struct bus_call call = {.subject = api,
                            .bytes = str_of(text),
                            .timeout_nsec = PURGE_SEC * NSEC_PER_SEC,
                            .done = done,
                            .arg = arg};
    int err = bus_call(bus, &call);

    mem_free(text);
    mem_free(api);
    return err;
}

void bus_stream_purge(struct bus *bus, const char *stream, const char *subject)
{
    (void)bus_api_purge(bus, stream, subject, ignore, NULL);
}

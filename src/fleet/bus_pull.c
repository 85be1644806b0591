/* Reads a stream in order, with no gap and nothing twice, whatever happens to the server.
 *
 * A consumer of JetStream's, which nobody acknowledges to: the order of what comes is checked here
 * instead. It sends what it is asked for, so much at a time, when all of the last has been handed
 * out; so a slow loop holds the server back. Each message tells two numbers: its place in the
 * stream and its place in what this consumer has sent. When one of the latter is missing, nothing
 * has come for a while (not even the heartbeats that were asked for), or the link was down, the
 * consumer is given up for a new one that begins behind the last message that was handed out.
 *
 * All of it runs on the loop. */
#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "fleet/bus_internal.h"

enum {
    BATCH = 512,
    LIMIT_MIN = 65536,
    EXPIRES_SEC = 30,
    HEARTBEAT_SEC = 2,
    SILENCE_SEC = 5, /* two heartbeats lost, and a little */
    INACTIVE_SEC = 20,
    CALL_SEC = 5,
    REST_MIN_MS = 50,
    REST_MAX_MS = 2000,
};

struct puller {
    struct bus *bus;
    struct bus_sub *sub; /* NULL: unsubscribed; goes with the last hold */
    char *stream;
    char *subject;
    char *inbox; /* of the subscription, without its last part */
    size_t limit;
    uint64_t next; /* the first sequence number that was not handed out; 0: last of each subject */
    void (*on_message)(void *arg, const struct bus_pulled *m);
    void (*on_end)(void *arg, int err);
    void (*free_arg)(void *arg);
    void *arg;

    int holds;    /* what is under way and will look at this: a call, a callback */
    bool calling; /* the call is one of them */
    bool complained;
    bool has_ended; /* on_end was called */
    char *created;  /* when the stream was, as the server writes it; NULL: not known yet */
    char *consumer; /* NULL: none */
    unsigned generation;
    uint64_t received; /* messages, from this consumer */
    size_t wanted;     /* messages, of what was asked for */
    bool got_any;      /* of what was asked for last */
    bool is_large;     /* the next message is larger than the limit */
    int64_t rest_ms;
    struct timer timer; /* silence, or the rest before another attempt */
};

/* What a message's reply subject tells: "$JS.ACK.STREAM.CONSUMER.DELIVERED.SEQUENCE.PLACE.TIME.
 * PENDING", or with DOMAIN.ACCOUNT before the stream and more behind. */
struct ack_subject {
    struct str consumer;
    uint64_t sequence;
    uint64_t place;
    uint64_t pending;
};

static bool parse_ack(const char *reply, struct ack_subject *out)
{
    struct str part[16];
    struct str rest = str_of(reply);
    size_t count = 0;
    size_t at;

    while (rest.len > 0 && count < COUNT_OF(part))
        part[count++] = str_cut(&rest, '.');
    if (count < 9 || !str_eq_c(part[0], "$JS") || !str_eq_c(part[1], "ACK"))
        return false;
    at = count == 9 ? 3 : 5;
    if (at + 5 >= count)
        return false;
    out->consumer = part[at];
    return str_to_u64(part[at + 2], &out->sequence) && str_to_u64(part[at + 3], &out->place) &&
           str_to_u64(part[at + 5], &out->pending);
}

/* --- the consumer ----------------------------------------------------------------------------- */

static void end(struct puller *p, int err)
{
    if (p->has_ended)
        return;
    p->has_ended = true;
    timer_stop(p->bus->loop, &p->timer);
    p->on_end(p->arg, err);
}

/* The server forgets it by itself, but later. */
static void drop_consumer(struct puller *p)
{
    char *subject;
    natsMsg *msg;

    if (!p->consumer)
        return;
    subject = mem_printf("$JS.API.CONSUMER.DELETE.%s.%s", p->stream, p->consumer);
    if (natsMsg_Create(&msg, subject, NULL, NULL, 0) == NATS_OK)
        (void)bus_send(p->bus, msg, 0, NULL);
    mem_free(subject);
    mem_free(p->consumer);
    p->consumer = NULL;
}

static void rest(struct puller *p)
{
    drop_consumer(p);
    timer_start(p->bus->loop, &p->timer, clock_now() + p->rest_ms * NSEC_PER_MSEC);
    p->rest_ms = p->rest_ms * 2 < REST_MAX_MS ? p->rest_ms * 2 : REST_MAX_MS;
}

static void fail(struct puller *p, int err, const char *why)
{
    static struct log_limit limit;

    if (p->on_end) {
        end(p, err);
        return;
    }
    if (err != ERR_LINK_DOWN && err != ERR_CANCELLED && !p->complained)
        log_limited(&limit, LOG_WARN, "NATS: stream %s: %s; trying again", p->stream,
                    why ? why : err_text(err));
    p->complained = true;
    rest(p);
}

static void watch_silence(struct puller *p)
{
    timer_start(p->bus->loop, &p->timer, clock_now() + SILENCE_SEC * NSEC_PER_SEC);
}

/* Asks for more. */
static void ask(struct puller *p)
{
    json_t *root = json_pack("{s:i, s:I, s:I}", "batch", p->is_large ? 1 : BATCH, "expires",
                             (json_int_t)(EXPIRES_SEC * NSEC_PER_SEC), "idle_heartbeat",
                             (json_int_t)(HEARTBEAT_SEC * NSEC_PER_SEC));
    char *subject = mem_printf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", p->stream, p->consumer);
    char *reply = mem_printf("%s.%u", p->inbox, p->generation);
    char *text;
    natsMsg *msg;
    int err = -ENOMEM;

    if (!p->is_large)
        json_object_set_new(root, "max_bytes", json_integer((json_int_t)p->limit));
    text = bus_api_text(root);
    if (natsMsg_Create(&msg, subject, reply, text, (int)strlen(text)) == NATS_OK)
        err = bus_send(p->bus, msg, strlen(text), NULL);
    p->wanted = p->is_large ? 1 : BATCH;
    p->got_any = false;
    mem_free(text);
    mem_free(reply);
    mem_free(subject);
    if (err < 0)
        fail(p, err, NULL);
    else
        watch_silence(p);
}

static void start(struct puller *p, const json_t *info)
{
    const char *name = json_string_value(json_object_get(info, "name"));

    if (!name) {
        fail(p, -EPROTO, "an answer without a name");
        return;
    }
    p->consumer = mem_strdup(name);
    p->received = 0;
    p->is_large = false;
    p->rest_ms = REST_MIN_MS;
    p->complained = false;
    if (p->on_end && json_integer_value(json_object_get(info, "num_pending")) == 0)
        end(p, 0);
    else
        ask(p);
}

static void free_puller(struct puller *p)
{
    if (p->free_arg)
        p->free_arg(p->arg);
    mem_free(p->created);
    mem_free(p->consumer);
    mem_free(p->stream);
    mem_free(p->subject);
    mem_free(p->inbox);
    mem_free(p);
}

static bool is_alive(struct puller *p)
{
    p->holds--;
    if (p->sub)
        return true;
    if (p->holds == 0)
        free_puller(p);
    return false;
}

/* Calls JetStream: "$JS.API.VERB.STREAM", with `body`, which it drops. */
static void call(struct puller *p, const char *verb, json_t *body,
                 void (*done)(void *arg, int err, natsMsg *msg, int64_t mono_nsec))
{
    char *subject = mem_printf("$JS.API.%s.%s", verb, p->stream);
    char *text = bus_api_text(body);
    struct bus_call call = {.subject = subject,
                            .bytes = str_of(text),
                            .timeout_nsec = CALL_SEC * NSEC_PER_SEC,
                            .done = done,
                            .arg = p};
    int err;

    p->calling = true;
    p->holds++;
    err = bus_call(p->bus, &call);
    mem_free(text);
    mem_free(subject);
    if (err < 0) {
        p->calling = false;
        p->holds--;
        fail(p, err, NULL);
    }
}

/* What the call's answer says (the caller drops it); NULL: the puller has gone, or has failed. */
static json_t *answer(struct puller *p, int err, natsMsg *msg)
{
    struct diag d = DIAG_INIT;
    json_t *info = NULL;

    p->calling = false;
    if (!is_alive(p))
        return NULL;
    if (err == 0)
        err = bus_api_result(msg, &info, &d);
    if (err < 0)
        fail(p, err, d.message);
    diag_deinit(&d);
    return info;
}

static void on_made(void *arg, int err, natsMsg *msg, int64_t mono_nsec)
{
    struct puller *p = arg;
    json_t *info = answer(p, err, msg);

    (void)mono_nsec;
    if (info)
        start(p, info);
    json_decref(info);
}

static void make_consumer(struct puller *p)
{
    json_t *config =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:b}", "ack_policy", "none", "replay_policy",
                  "instant", "filter_subject", p->subject, "deliver_policy",
                  p->next ? "by_start_sequence" : "last_per_subject", "inactive_threshold",
                  (json_int_t)(INACTIVE_SEC * NSEC_PER_SEC), "num_replicas", 1, "mem_storage", 1);

    if (p->next)
        json_object_set_new(config, "opt_start_seq", json_integer((json_int_t)p->next));
    call(p, "CONSUMER.CREATE", json_pack("{s:s, s:o}", "stream_name", p->stream, "config", config),
         on_made);
}

/* A stream that is younger than what came of it, or ends before that, is another one. */
static void check_stream(struct puller *p, const json_t *info)
{
    const char *created = json_string_value(json_object_get(info, "created"));
    const json_t *state = json_object_get(info, "state");
    uint64_t last = (uint64_t)json_integer_value(json_object_get(state, "last_seq"));

    if (!created)
        created = "";
    if ((p->created && strcmp(p->created, created) != 0) || last + 1 < p->next) {
        log_printf(LOG_WARN, "NATS: stream %s has been made anew: it is read from its beginning",
                   p->stream);
        p->next = 1;
    }
    mem_free(p->created);
    p->created = mem_strdup(created);
}

static void on_info(void *arg, int err, natsMsg *msg, int64_t mono_nsec)
{
    struct puller *p = arg;
    json_t *info = answer(p, err, msg);

    (void)mono_nsec;
    if (info) {
        check_stream(p, info);
        make_consumer(p);
    }
    json_decref(info);
}

/* Begins anew, behind what has been handed out. */
static void attach(struct puller *p)
{
    timer_stop(p->bus->loop, &p->timer);
    if (p->calling)
        return;
    drop_consumer(p);
    p->generation++;
    if (p->next)
        call(p, "STREAM.INFO", json_object(), on_info);
    else
        make_consumer(p);
}

static void on_timer(struct timer *timer)
{
    struct puller *p = CONTAINER_OF(timer, struct puller, timer);

    if (p->on_end && p->generation > 0)
        end(p, ERR_TIMEOUT);
    else
        attach(p);
}

/* --- what comes ------------------------------------------------------------------------------- */

static uint64_t number_of(natsMsg *msg, const char *header)
{
    const char *text = NULL;
    uint64_t number = 0;

    if (natsMsgHeader_Get(msg, header, &text) == NATS_OK && text)
        (void)str_to_u64(str_of(text), &number);
    return number;
}

/* The server speaks of the consumer, in headers of a message without data. */
static void take_status(struct puller *p, natsMsg *msg, const char *status)
{
    struct str subject = str_of(natsMsg_GetSubject(msg));
    const char *text = "";
    uint64_t generation = 0;

    (void)str_to_u64(str_from_index(subject, (size_t)(str_rfind(subject, '.') + 1)), &generation);
    if (generation != p->generation || !p->consumer)
        return; /* of a consumer that was given up */
    (void)natsMsgHeader_Get(msg, "Description", &text);
    if (strcmp(status, "100") == 0 && number_of(msg, "Nats-Last-Consumer") <= p->received) {
        watch_silence(p);
    } else if (strcmp(status, "408") == 0 || strcmp(status, "404") == 0) {
        ask(p);
    } else if (strcmp(status, "409") == 0 && text && strstr(text, "MaxBytes")) {
        /* What was asked for has been filled, or the first message alone is more. */
        p->is_large = !p->got_any;
        ask(p);
    } else if (p->on_end) {
        end(p, -EIO);
    } else {
        rest(p);
    }
}

static void take_message(struct puller *p, natsMsg *msg, int64_t mono_nsec)
{
    const char *reply = natsMsg_GetReply(msg);
    struct bus_pulled m = {.msg = msg, .mono_nsec = mono_nsec};
    struct ack_subject ack;

    if (!reply || !parse_ack(reply, &ack) || !p->consumer || !str_eq_c(ack.consumer, p->consumer))
        return;
    if (ack.place != p->received + 1) {
        if (ack.place > p->received)
            fail(p, -EIO, "a message was lost on the way");
        return;
    }
    p->received++;
    p->wanted--;
    p->got_any = true;
    p->is_large = false;
    if (p->wanted == 0 && !(p->on_end && ack.pending == 0))
        ask(p);
    else
        watch_silence(p);
    if (p->next) {
        if (ack.sequence < p->next)
            return;
        p->next = ack.sequence + 1;
    }
    m.sequence = ack.sequence;
    p->holds++;
    p->on_message(p->arg, &m);
    if (is_alive(p) && p->on_end && ack.pending == 0)
        end(p, 0);
}

static void handle(struct bus_sub *sub, natsMsg *msg, int64_t mono_nsec)
{
    struct puller *p = sub->arg;
    const char *status = NULL;

    if (p->has_ended)
        return;
    if (natsMsg_GetDataLength(msg) == 0 && natsMsgHeader_Get(msg, "Status", &status) == NATS_OK &&
        status)
        take_status(p, msg, status);
    else
        take_message(p, msg, mono_nsec);
}

static void on_link(struct bus_sub *sub, bool is_up)
{
    struct puller *p = sub->arg;

    if (p->has_ended)
        return;
    if (is_up) {
        p->rest_ms = REST_MIN_MS;
        attach(p);
    } else if (p->on_end) {
        end(p, ERR_LINK_DOWN);
    } else {
        timer_stop(p->bus->loop, &p->timer);
    }
}

static void on_free(struct bus_sub *sub)
{
    struct puller *p = sub->arg;

    timer_stop(p->bus->loop, &p->timer);
    if (!p->bus->closed)
        drop_consumer(p);
    p->sub = NULL;
    p->holds++;
    if (p->on_end)
        end(p, ERR_CANCELLED);
    (void)is_alive(p);
}

static bool is_name(const char *name)
{
    return bus_check_subject(name, false) == 0 && !strchr(name, '.');
}

int bus_pull(struct bus *bus, const struct bus_pull_config *config, struct bus_sub **out)
{
    struct puller *p;
    char *inbox;
    char *subject;
    struct bus_sub *sub;
    int err;

    if (!is_name(config->stream) || bus_check_subject(config->subject, true) != 0)
        return ERR_INVALID;
    inbox = mem_printf("%s.pull.%llu", bus->inbox, (unsigned long long)++bus->last_id);
    subject = mem_printf("%s.*", inbox);
    /* The server sends no more than it is asked for, which bounds this: the limit is for one that
     * does otherwise. */
    err = bus_sub_new(bus, subject, (size_t)BATCH * 4, handle, &sub);
    mem_free(subject);
    if (err < 0) {
        mem_free(inbox);
        return err;
    }
    p = mem_zalloc(sizeof *p);
    p->bus = bus;
    p->sub = sub;
    p->stream = mem_strdup(config->stream);
    p->subject = mem_strdup(config->subject);
    p->inbox = inbox;
    p->limit = config->limit > LIMIT_MIN ? config->limit : LIMIT_MIN;
    p->next = config->from;
    p->on_message = config->on_message;
    p->on_end = config->on_end;
    p->free_arg = config->free_arg;
    p->arg = config->arg;
    p->rest_ms = REST_MIN_MS;
    timer_init(&p->timer, on_timer);
    sub->arg = p;
    sub->on_link = on_link;
    sub->on_free = on_free;
    *out = sub;
    /* From the loop, so that nothing is called before this has returned. */
    timer_start(bus->loop, &p->timer, clock_now());
    return 0;
}

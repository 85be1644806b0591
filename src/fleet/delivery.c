#include "fleet/delivery.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/delivery_settings.h"
#include "loop/loop.h"
#include "loop/mailbox.h"
#include "metrics/window.h"
#include "output/output.h"
#include "output/scrape.h"

/* Messages that wait on one side: minutes of a large fleet. */
enum { MOST_ORDERS = 20000, MOST_NOTES = 4096 };

enum order_kind { ORDER_WINDOW, ORDER_SECOND, ORDER_STARTED, ORDER_HOLD, ORDER_RELEASE };

/* To the thread. */
struct order {
    enum order_kind kind;
    int64_t second;
    int64_t wall_nsec;
    double p95;
    struct window *window; /* owned */
    struct order *next;    /* while held */
};

enum note_kind { NOTE_SAID, NOTE_SCRAPED, NOTE_COMPARED, NOTE_OVER };

/* From the thread. */
struct note {
    enum note_kind kind;
    enum log_level level;
    int64_t second;
    char *text;            /* owned; of NOTE_SCRAPED the target's name */
    struct window *window; /* owned */
};

struct delivery {
    struct delivery_settings settings;
    struct loop *loop; /* the thread's */
    struct output **outputs;
    size_t output_count;
    struct scrape *scrape; /* NULL: no targets */
    int64_t delivered;     /* does not change after the start */

    /* The thread's. */
    bool is_held;
    struct order *held;
    struct order **held_end;
    int64_t start_mono;
    int64_t next_second; /* of the targets */
    struct timer timer;
    bool is_ending;

    /* The owner's. */
    struct delivery_events events;
    struct mailbox *orders;
    struct mailbox *notes;
    pthread_t thread;
    bool is_started;
    bool is_end_asked;
    bool goes_on; /* it is not the run's end that ends it; does not change once that is asked for */
    bool is_over;
    bool is_full; /* an order was lost; that was said */
};

/* --- notes: from the thread ----------------------------------------------------------------- */

static void free_note(struct note *n)
{
    window_free(n->window);
    mem_free(n->text);
    mem_free(n);
}

/* Nobody listens before the start, and when the owner goes before the run's end. */
static bool is_alone(const struct delivery *d)
{
    return !d->notes || (d->is_ending && d->goes_on);
}

static void send_note(struct delivery *d, struct note note)
{
    struct note *n = mem_dup(&note, sizeof note);

    if (is_alone(d) || mailbox_send(d->notes, n) != 0)
        free_note(n); /* or the owner has been busy for very long */
}

static void say(void *arg, enum log_level level, const char *text)
{
    struct delivery *d = arg;

    if (is_alone(d))
        log_printf(level, "%s", text);
    else
        send_note(d, (struct note){.kind = NOTE_SAID, .level = level, .text = mem_strdup(text)});
}

static void on_read(void *arg, int64_t second, const char *target, const struct window *w)
{
    send_note(arg, (struct note){.kind = NOTE_SCRAPED,
                                 .second = second,
                                 .text = mem_strdup(target),
                                 .window = window_copy(w, true)});
}

static void take_note(void *arg, void *message)
{
    struct delivery *d = arg;
    struct note *n = message;

    switch (n->kind) {
    case NOTE_SAID:
        d->events.say(d->events.arg, n->level, n->text);
        break;
    case NOTE_SCRAPED:
        d->events.scraped(d->events.arg, n->second, n->text, n->window);
        break;
    case NOTE_COMPARED:
        d->events.compared(d->events.arg, n->text);
        break;
    case NOTE_OVER:
        pthread_join(d->thread, NULL);
        d->is_over = true;
        d->events.over(d->events.arg);
        break;
    }
    free_note(n);
}

/* --- orders: on the thread ------------------------------------------------------------------ */

static void free_order(struct order *o)
{
    window_free(o->window);
    mem_free(o);
}

static void feed(struct delivery *d, const struct order *o)
{
    for (size_t i = 0; i < d->output_count; i++) {
        struct output *output = d->outputs[i];

        if (o->second > d->delivered || output->is_cumulative)
            output->ops->window(output, o->window);
    }
}

static void tick_outputs(struct delivery *d, const struct order *o)
{
    if (d->scrape)
        scrape_note(d->scrape, o->second, o->p95);
    for (size_t i = 0; i < d->output_count && o->second > d->delivered; i++) {
        if (d->outputs[i]->ops->tick)
            d->outputs[i]->ops->tick(d->outputs[i], o->wall_nsec);
    }
}

/* At the end of each second. */
static void read_targets(struct timer *timer)
{
    struct delivery *d = CONTAINER_OF(timer, struct delivery, timer);
    int64_t since = (clock_now() - d->start_mono) / NSEC_PER_SEC;

    if (!d->is_held && since > 0)
        scrape_tick(d->scrape, since - 1);
    timer_start(d->loop, timer, d->start_mono + (since + 1) * NSEC_PER_SEC);
}

static void begin_reading(struct delivery *d, int64_t start_wall_nsec)
{
    int64_t since;

    if (!d->scrape)
        return;
    d->start_mono = clock_now() + (start_wall_nsec - clock_wall());
    since = (clock_now() - d->start_mono) / NSEC_PER_SEC;
    timer_start(d->loop, &d->timer, d->start_mono + (since > 0 ? since + 1 : 1) * NSEC_PER_SEC);
}

static void carry_out(struct delivery *d, struct order *o)
{
    switch (o->kind) {
    case ORDER_WINDOW:
        feed(d, o);
        break;
    case ORDER_SECOND:
        tick_outputs(d, o);
        break;
    case ORDER_STARTED:
        begin_reading(d, o->wall_nsec);
        break;
    case ORDER_HOLD:
    case ORDER_RELEASE:
        break;
    }
    free_order(o);
}

static void drop_held(struct delivery *d)
{
    while (d->held) {
        struct order *o = d->held;

        d->held = o->next;
        free_order(o);
    }
}

static void release(struct delivery *d)
{
    d->is_held = false;
    while (d->held) {
        struct order *o = d->held;

        d->held = o->next;
        carry_out(d, o);
    }
}

static void take_order(void *arg, void *message)
{
    struct delivery *d = arg;
    struct order *o = message;

    if (o->kind == ORDER_HOLD && !d->is_held) {
        d->is_held = true;
        d->held_end = &d->held;
    } else if (o->kind == ORDER_RELEASE && d->is_held) {
        release(d);
    } else if (d->is_held && !d->is_ending) {
        *d->held_end = o;
        d->held_end = &o->next;
        return;
    } else if (!d->is_ending) {
        carry_out(d, o);
        return;
    }
    free_order(o);
}

/* --- the thread ----------------------------------------------------------------------------- */

/* All of them begin to end before the first is waited for. */
static void stop_outputs(struct delivery *d)
{
    for (size_t i = 0; i < d->output_count && !d->is_held; i++) {
        struct output *o = d->outputs[i];

        o->goes_on = d->goes_on;
        if (o->ops->end)
            o->ops->end(o, clock_wall());
    }
    for (size_t i = 0; i < d->output_count; i++) {
        struct diag diag = DIAG_INIT;

        if (d->outputs[i]->ops->stop(d->outputs[i], &diag))
            say(d, LOG_WARN, diag.message);
        diag_deinit(&diag);
    }
}

static void compare(struct delivery *d)
{
    struct buf text = BUF_INIT(SIZE_MAX);

    if (!d->scrape || d->start_mono == 0)
        return;
    scrape_text(d->scrape, &text);
    send_note(d, (struct note){.kind = NOTE_COMPARED, .text = buf_take(&text)});
}

static void close_all(struct delivery *d)
{
    scrape_free(d->scrape);
    for (size_t i = 0; i < d->output_count; i++)
        output_free(d->outputs[i]);
    mem_free((void *)d->outputs);
    d->outputs = NULL;
    d->output_count = 0;
    d->scrape = NULL;
}

static void *thread_main(void *arg)
{
    struct delivery *d = arg;

    pthread_setname_np(pthread_self(), "gale-delivery");
    loop_run(d->loop);
    timer_stop(d->loop, &d->timer);
    stop_outputs(d);
    drop_held(d);
    compare(d);
    close_all(d);
    send_note(d, (struct note){.kind = NOTE_OVER});
    return NULL;
}

static void end_thread(void *arg)
{
    struct delivery *d = arg;

    d->is_ending = true;
    loop_stop(d->loop);
}

/* --- the owner ------------------------------------------------------------------------------ */

static int open_all(struct delivery *d, const struct network *network, struct diag *diag)
{
    const struct delivery_settings *s = &d->settings;
    struct output_context context = {
        .env = delivery_own_env,
        .environment = s->environment,
        .loop = d->loop,
        .native_histograms = s->native_histograms,
        .is_merged = true,
        .network = network,
        .voice = {say, d},
    };
    int err = 0;

    d->outputs = mem_calloc(s->output_count + 1, sizeof(struct output *));
    while (err == 0 && d->output_count < s->output_count) {
        err = output_new(str_of(s->outputs[d->output_count]), &context,
                         &d->outputs[d->output_count], diag);
        d->output_count += err == 0;
    }
    if (s->scrape_count > 0)
        d->scrape = scrape_new(&context);
    for (size_t i = 0; i < s->scrape_count && err == 0; i++)
        err = scrape_add(d->scrape, str_of(s->scrapes[i]), diag);
    if (d->scrape)
        scrape_on_read(d->scrape, on_read, d);
    return err;
}

int delivery_open(const json_t *settings, const struct network *network, struct delivery **out,
                  struct diag *diag)
{
    struct delivery *d = mem_zalloc(sizeof *d);
    int err = delivery_settings_read(settings, &d->settings, diag);
    bool is_wanted = d->settings.output_count + d->settings.scrape_count > 0;

    timer_init(&d->timer, read_targets);
    if (err == 0 && is_wanted)
        err = loop_new(&d->loop);
    if (err == 0 && is_wanted)
        err = open_all(d, network, diag);
    if (err == 0 && is_wanted) {
        *out = d;
        return 0;
    }
    if (err)
        close_all(d);
    loop_free(d->loop);
    delivery_settings_deinit(&d->settings);
    mem_free(d);
    *out = err ? *out : NULL;
    return err;
}

/* Signals are main's: the new thread inherits a mask that blocks them all. */
static int start_thread(struct delivery *d)
{
    sigset_t all;
    sigset_t before;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(&d->thread, NULL, thread_main, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    d->is_started = err == 0;
    return -err;
}

static void ask_for_end(struct delivery *d)
{
    if (d->is_end_asked)
        return;
    d->is_end_asked = true;
    loop_post(d->loop, end_thread, d);
}

int delivery_start(struct delivery *d, struct loop *loop, int64_t delivered,
                   const struct delivery_events *events)
{
    d->events = *events;
    d->delivered = delivered;
    d->orders = mailbox_new(d->loop, MOST_ORDERS, take_order, d);
    d->notes = mailbox_new(loop, MOST_NOTES, take_note, d);
    return start_thread(d);
}

void delivery_free(struct delivery *d)
{
    if (!d)
        return;
    if (!d->is_started) /* outputs are freed outside of any loop, and this may be within one */
        (void)!start_thread(d);
    if (!d->is_end_asked)
        d->goes_on = true;
    ask_for_end(d);
    if (d->is_started && !d->is_over)
        pthread_join(d->thread, NULL);
    mailbox_free(d->orders);
    mailbox_free(d->notes);
    loop_free(d->loop);
    delivery_settings_deinit(&d->settings);
    mem_free(d);
}

static void send_order(struct delivery *d, struct order order)
{
    struct order *o;

    if (d->is_end_asked) {
        window_free(order.window);
        return;
    }
    o = mem_dup(&order, sizeof order);
    if (mailbox_send(d->orders, o) == 0)
        return;
    free_order(o);
    if (!d->is_full)
        d->events.say(d->events.arg, LOG_WARN,
                      "outputs can't keep up with the run: some of it does not reach them");
    d->is_full = true;
}

void delivery_started(struct delivery *d, int64_t start_wall_nsec)
{
    send_order(d, (struct order){.kind = ORDER_STARTED, .wall_nsec = start_wall_nsec});
}

void delivery_window(struct delivery *d, int64_t second, const struct window *w)
{
    send_order(
        d, (struct order){.kind = ORDER_WINDOW, .second = second, .window = window_copy(w, false)});
}

void delivery_second(struct delivery *d, int64_t second, int64_t wall_nsec, double p95)
{
    send_order(d, (struct order){
                      .kind = ORDER_SECOND, .second = second, .wall_nsec = wall_nsec, .p95 = p95});
}

void delivery_hold(struct delivery *d)
{
    send_order(d, (struct order){.kind = ORDER_HOLD});
}

void delivery_release(struct delivery *d)
{
    send_order(d, (struct order){.kind = ORDER_RELEASE});
}

void delivery_end(struct delivery *d)
{
    ask_for_end(d);
}

bool delivery_is_over(const struct delivery *d)
{
    return d->is_over;
}

/* Senders over a transport that does as it is told: order, bounds, counts, the end. */
#include "output/sender.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "output/transport.h"
#include "support/test.h"

struct told {
    struct transport base;
    const char
        *answers;   /* 'o' ok, 'a' again, 'r' refused, 'p' 3 points of it; the last one stays */
    char seen[256]; /* payloads, each attempt */
    size_t attempts;
};

YIELDS static enum send_result told_send(struct transport *t, struct str payload, int64_t deadline,
                                         struct send_answer *told_answer, struct diag *d)
{
    struct told *told = CONTAINER_OF(t, struct told, base);
    char answer = *told->answers;

    (void)deadline;
    fiber_yield();
    CHECK(strlen(told->seen) + payload.len + 1 < sizeof told->seen);
    strncat(told->seen, payload.ptr, payload.len);
    told->attempts++;
    if (told->answers[1])
        told->answers++;
    if (answer == 'o')
        return SEND_OK;
    told_answer->wait_nsec = NSEC_PER_MSEC;
    diag_set(d, ERR_NET, "told so");
    if (answer == 'p') {
        told_answer->lost = 3;
        return SEND_OK;
    }
    return answer == 'a' ? SEND_AGAIN : SEND_REFUSED;
}

static void told_free(struct transport *t)
{
    (void)t;
}

static const struct transport_ops told_ops = {told_send, told_free};

struct fixture {
    struct loop *loop;
    struct told told;
    struct sender *sender;
};

static void begin(struct fixture *f, const char *answers, size_t queue_bytes)
{
    struct sender_options options = {
        .name = "test",
        .timeout = NSEC_PER_SEC,
        .end_timeout = 200 * NSEC_PER_MSEC,
        .queue_bytes = queue_bytes,
    };

    *f = (struct fixture){.told = {.base = {&told_ops}, .answers = answers}};
    CHECK_EQ(log_setup(&(struct log_options){.output = "none"}, NULL), 0);
    CHECK_EQ(loop_new(&f->loop), 0);
    options.loop = f->loop;
    options.transport = &f->told.base;
    f->sender = sender_new(&options);
}

static void push(struct fixture *f, const char *text, uint64_t points)
{
    struct buf payload = BUF_INIT(SIZE_MAX);

    buf_append_c(&payload, text);
    sender_push(f->sender, &payload, points);
}

static void end(struct fixture *f, int want_err, uint64_t delivered, uint64_t dropped)
{
    struct sender_counts counts;
    struct diag d = DIAG_INIT;

    sender_end(f->sender);
    CHECK_EQ(sender_stop(f->sender, &d), want_err);
    CHECK(!want_err == !d.message);
    sender_get_counts(f->sender, &counts);
    CHECK_EQ(counts.delivered, delivered);
    CHECK_EQ(counts.dropped, dropped);
    CHECK_EQ(counts.made, delivered + dropped);
    diag_deinit(&d);
    sender_free(f->sender);
    loop_free(f->loop);
}

TEST(sender_keeps_order_and_tries_again)
{
    struct fixture f;

    begin(&f, "oaao", 0);
    push(&f, "1", 10);
    push(&f, "2", 20);
    push(&f, "3", 30);
    end(&f, 0, 60, 0);
    CHECK_TEXT(f.told.seen, "12223");
}

TEST(sender_drops_what_is_refused)
{
    struct fixture f;

    begin(&f, "oro", 0);
    push(&f, "1", 1);
    push(&f, "2", 2);
    push(&f, "3", 4);
    end(&f, ERR_NET, 5, 2);
    CHECK_TEXT(f.told.seen, "123");
}

TEST(sender_counts_what_was_refused_of_a_part)
{
    struct fixture f;

    begin(&f, "po", 0);
    push(&f, "1", 10);
    push(&f, "2", 20);
    end(&f, ERR_NET, 27, 3);
    CHECK_TEXT(f.told.seen, "12");
}

TEST(sender_bounds_its_queue)
{
    struct fixture f;

    begin(&f, "o", 8);
    push(&f, "aaaa", 1);
    push(&f, "bbbb", 2);
    push(&f, "cccc", 4);
    push(&f, "dddddddddddd", 8); /* larger than all, but the newest */
    end(&f, ERR_NET, 8, 7);
    CHECK_TEXT(f.told.seen, "dddddddddddd");
}

TEST(sender_gives_up_at_the_end)
{
    struct fixture f;

    begin(&f, "a", 0);
    push(&f, "1", 1);
    push(&f, "2", 2);
    end(&f, ERR_NET, 0, 3);
    CHECK(f.told.attempts >= 2);
    CHECK(!strchr(f.told.seen, '2'));
}

TEST(sender_with_nothing_to_say_ends)
{
    struct fixture f;

    begin(&f, "a", 0);
    end(&f, 0, 0, 0);
    CHECK_EQ(f.told.attempts, 0);
}

TEST(sender_counts_what_cannot_be_sent)
{
    struct fixture f;

    begin(&f, "o", 0);
    push(&f, "1", 1);
    sender_refuse(f.sender, 4, "too large");
    push(&f, "2", 2);
    end(&f, ERR_NET, 3, 4);
    CHECK_TEXT(f.told.seen, "12");
}

#include "net/bandwidth.h"

#include <pthread.h>

#include "base/err.h"
#include "support/test.h"

TEST(rate_parses_and_formats)
{
    static const struct {
        const char *text;
        uint64_t rate;
        const char *back;
    } good[] = {
        {"50mbit", 50000000, "50mbit"},
        {"1.5gbit", 1500000000, "1500mbit"},
        {"64kbit", 64000, "64kbit"},
        {"9600bit", 9600, "9600bit"},
        {"1000gbit", 1000000000000, "1000gbit"},
    };
    static const char *const bad[] = {"",        "50",      "mbit",   "0mbit",
                                      "-1mbit",  "5 mbps",  "999bit", "1001gbit",
                                      "nanmbit", "infgbit", "1e9gbit"};
    char text[RATE_TEXT_MAX];
    uint64_t rate = 7;

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        CHECK_EQ(rate_parse(str_of(good[i].text), &rate), 0);
        CHECK_EQ(rate, good[i].rate);
        CHECK_TEXT(rate_format(rate, text), good[i].back);
    }
    rate = 7;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_EQ(rate_parse(str_of(bad[i]), &rate), ERR_INVALID);
    CHECK_EQ(rate, 7);
}

TEST(bandwidth_queues_takers_one_behind_the_other)
{
    struct bandwidth b;

    bandwidth_init(&b, 8000000); /* a byte in a microsecond */
    CHECK_EQ(bandwidth_nsec(&b, 1000), 1000000);
    CHECK_EQ(bandwidth_take(&b, 1000, 5000000), 5000000);
    CHECK_EQ(bandwidth_take(&b, 500, 5000000), 6000000);
    CHECK_EQ(bandwidth_take(&b, 1, 6000001), 6500000);
    CHECK_EQ(bandwidth_take(&b, 1, 9000000), 9000000); /* it was idle meanwhile */
    bandwidth_init(&b, 0);
    CHECK_EQ(bandwidth_take(&b, 1 << 30, 3), 3);
    CHECK_EQ(bandwidth_take(&b, 1 << 30, 3), 3);
}

enum { TAKES = 20000 };

static void *take_much(void *arg)
{
    for (int i = 0; i < TAKES; i++)
        bandwidth_take(arg, 10, 0);
    return NULL;
}

TEST(bandwidth_is_shared_by_threads_without_loss)
{
    struct bandwidth b;
    pthread_t threads[4];

    bandwidth_init(&b, 8000000);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, take_much, &b), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(bandwidth_take(&b, 0, 0), (int64_t)COUNT_OF(threads) * TAKES * 10 * 1000);
}

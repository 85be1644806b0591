#include "api/bucket.h"

#include "base/clock.h"
#include "support/test.h"

static const struct bucket_limit limit = {.burst = 3, .per_second = 2};

TEST(bucket_gives_a_burst_then_a_rate)
{
    struct bucket b = {0};
    int64_t now = 1000 * NSEC_PER_SEC;
    unsigned wait = 0;

    for (int i = 0; i < 3; i++)
        CHECK(bucket_take(&b, &limit, now, &wait));
    CHECK(!bucket_take(&b, &limit, now, &wait));
    CHECK_EQ(wait, 1);
    now += NSEC_PER_SEC / 2;
    CHECK(bucket_take(&b, &limit, now, &wait));
    CHECK(!bucket_take(&b, &limit, now, &wait));
    now += 3600 * NSEC_PER_SEC; /* no more than the burst is saved up */
    for (int i = 0; i < 3; i++)
        CHECK(bucket_take(&b, &limit, now, &wait));
    CHECK(!bucket_take(&b, &limit, now, &wait));
}

TEST(bucket_says_how_long_to_wait)
{
    const struct bucket_limit slow = {.burst = 1, .per_second = 0.25};
    struct bucket b = {0};
    unsigned wait = 0;

    CHECK(bucket_take(&b, &slow, NSEC_PER_SEC, &wait));
    CHECK(!bucket_take(&b, &slow, NSEC_PER_SEC, &wait));
    CHECK_EQ(wait, 4);
}

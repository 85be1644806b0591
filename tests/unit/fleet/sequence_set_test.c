#include "fleet/sequence_set.h"

#include "base/mem.h"
#include "base/rng.h"
#include "support/test.h"

TEST(sequence_set_in_order_is_a_mark)
{
    struct sequence_set s;

    sequence_set_init(&s);
    for (uint64_t i = 1; i <= 1000; i++)
        CHECK(sequence_set_add(&s, i));
    CHECK(!sequence_set_add(&s, 1000));
    CHECK(!sequence_set_add(&s, 1));
    CHECK_EQ(s.upto, 1000);
    CHECK(s.ranges == NULL);
    CHECK_EQ(sequence_set_missing(&s), 0);
    sequence_set_deinit(&s);
}

TEST(sequence_set_knows_each_number_in_any_order)
{
    enum { COUNT = 600 };
    struct rng rng;

    rng_seed(&rng, 4);
    for (int round = 0; round < 50; round++) {
        struct sequence_set s;
        bool had[COUNT + 1] = {false};
        size_t distinct = 0;
        uint64_t highest = 0;

        sequence_set_init(&s);
        for (int i = 0; i < COUNT * (1 + round % 4); i++) {
            uint64_t number = 1 + rng_below(&rng, COUNT);

            CHECK(sequence_set_add(&s, number) == !had[number]);
            distinct += !had[number];
            had[number] = true;
            highest = number > highest ? number : highest;
            CHECK_EQ(sequence_set_missing(&s), highest - distinct);
        }
        for (uint64_t i = 1; i <= s.upto; i++)
            CHECK(had[i]);
        CHECK(s.upto == COUNT || !had[s.upto + 1]);
        sequence_set_deinit(&s);
    }
}

TEST(sequence_set_is_bounded)
{
    struct sequence_set s;

    sequence_set_init(&s);
    for (uint64_t i = 2; i <= 10000; i += 2)
        CHECK(sequence_set_add(&s, i));
    CHECK_EQ(s.count, SEQUENCE_SET_MAX_RANGES);
    CHECK_EQ(sequence_set_missing(&s), 5000);
    CHECK(!sequence_set_add(&s, 1)); /* given up */
    CHECK(sequence_set_add(&s, 9999));
    CHECK_EQ(sequence_set_missing(&s), 4999);
    CHECK(sequence_set_add(&s, UINT64_MAX));
    CHECK(!sequence_set_add(&s, UINT64_MAX));
    CHECK(sequence_set_add(&s, UINT64_MAX - 1));
    sequence_set_deinit(&s);
}

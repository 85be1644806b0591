#include "engine/run_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/vu_pool.h"
#include "support/test.h"

static struct run_state state;
static struct segment whole;

static void begin(uint64_t rps)
{
    static const struct scenario_list none = {NULL, 0};

    segment_init(&whole);
    run_state_init(&state, &none, &whole, 2, rps);
}

TEST(rps_slots_are_evenly_spaced_with_a_burst_of_one)
{
    begin(100);
    CHECK_EQ(run_state_rps_slot(&state, 1000), 1000);
    CHECK_EQ(run_state_rps_slot(&state, 1000), 1000 + 10 * NSEC_PER_MSEC);
    CHECK_EQ(run_state_rps_slot(&state, 2000), 1000 + 20 * NSEC_PER_MSEC);
    /* What was not used is not saved up. */
    CHECK_EQ(run_state_rps_slot(&state, NSEC_PER_SEC), NSEC_PER_SEC);
    CHECK_EQ(run_state_rps_slot(&state, NSEC_PER_SEC), NSEC_PER_SEC + 10 * NSEC_PER_MSEC);
    run_state_deinit(&state);
}

TEST(rps_without_a_limit)
{
    begin(0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(run_state_rps_slot(&state, 5), 5);
    run_state_deinit(&state);
}

TEST(the_first_abort_stays)
{
    begin(0);
    CHECK(run_state_aborted(&state) == NULL);
    CHECK(!run_state_is_stopping(&state));
    CHECK(run_state_abort(&state, RUN_ABORT_SCRIPT, "enough"));
    CHECK(!run_state_abort(&state, RUN_ABORT_SIGNAL, NULL));
    CHECK(run_state_is_stopping(&state));
    CHECK_EQ(run_state_aborted(&state)->reason, RUN_ABORT_SCRIPT);
    CHECK_TEXT(run_state_aborted(&state)->message, "enough");
    run_state_deinit(&state);
}

TEST(tallies_add_up_over_workers)
{
    begin(0);
    tally_add(&state.workers[0].completed, 3);
    tally_add(&state.workers[1].completed, 4);
    tally_add(&state.workers[1].vus_active, 2);
    tally_add(&state.workers[1].vus_active, -1);
    CHECK_EQ(run_state_completed(&state), 7);
    CHECK_EQ(run_state_vus_active(&state), 1);
    CHECK_EQ(run_state_duration(&state, 77), 0);
    state.started = 10;
    CHECK_EQ(run_state_duration(&state, 77), 67);
    state.ended = 30;
    CHECK_EQ(run_state_duration(&state, 77), 20);
    run_state_deinit(&state);
}

TEST(counters_and_reservations_stop_at_nothing)
{
    _Atomic uint64_t counter = 2;
    struct worker_tallies t = {.idle = 0};

    CHECK(counter_take(&counter));
    CHECK(counter_take(&counter));
    CHECK(!counter_take(&counter));
    CHECK(!tallies_reserve(&t));
    tallies_unreserve(&t);
    CHECK(tallies_reserve(&t));
    CHECK(!tallies_reserve(&t));
}

/* --- the pool ----------------------------------------------------------------------------- */

static struct vu_pool pool;
static unsigned taken;
static struct vu_slot *last_taken;

static void take(struct vu_waiter *waiter, struct vu_slot *slot)
{
    (void)waiter;
    taken++;
    last_taken = slot;
}

TEST(pool_gives_the_vu_that_rested_longest)
{
    struct vu_slot *slots[3];

    vu_pool_init(&pool);
    CHECK(vu_pool_take(&pool) == NULL);
    for (uint64_t i = 0; i < 3; i++) {
        slots[i] = vu_slot_new(NULL, i + 1, 2);
        vu_pool_give(&pool, slots[i]);
    }
    CHECK(vu_pool_take(&pool) == slots[0]);
    vu_pool_give(&pool, slots[0]);
    CHECK(vu_pool_take(&pool) == slots[1]);
    CHECK(vu_pool_take(&pool) == slots[2]);
    CHECK(vu_pool_take(&pool) == slots[0]);
    CHECK(vu_pool_take(&pool) == NULL);
    CHECK_EQ(pool.count, 0);
    for (size_t i = 0; i < 3; i++)
        mem_free(slots[i]);
}

TEST(pool_serves_those_who_wait_first)
{
    struct vu_waiter waiters[3] = {{.take = take}, {.take = take}, {.take = take}};
    struct vu_slot *slot = vu_slot_new(NULL, 1, 1);

    vu_pool_init(&pool);
    for (size_t i = 0; i < 3; i++)
        vu_pool_wait(&pool, &waiters[i]);
    vu_pool_unwait(&pool, &waiters[1]);
    vu_pool_unwait(&pool, &waiters[1]);
    vu_pool_give(&pool, slot);
    CHECK_EQ(taken, 1);
    CHECK(last_taken == slot);
    vu_pool_unwait(&pool, &waiters[2]);
    vu_pool_give(&pool, slot);
    CHECK_EQ(taken, 1);
    CHECK_EQ(pool.count, 1);
    vu_pool_wait(&pool, &waiters[2]);
    vu_pool_unwait(&pool, &waiters[2]);
    CHECK(vu_pool_take(&pool) == slot);
    mem_free(slot);
}

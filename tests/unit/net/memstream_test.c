#include "net/memstream.h"

#include "fixture.h"
#include "support/test.h"

static struct stream *a;
static struct stream *b;

static void exchange(void *arg)
{
    struct iovec parts[2] = {{"ab", 2}, {"cde", 3}};
    char buf[16];
    int64_t ready = 0;

    (void)arg;
    memstream_pair(NULL, &a, &b);
    CHECK(stream_is_idle_healthy(b));
    CHECK_EQ(stream_writev(a, parts, 2, soon()), 0);
    CHECK(!stream_is_idle_healthy(b));
    CHECK(str_eq_c(memstream_unread(b), "abcde"));
    CHECK_EQ(stream_read(b, buf, 3, soon(), &ready), 3);
    CHECK(ready > 0);
    CHECK_EQ(stream_read(b, buf, 16, soon(), NULL), 2);
    CHECK_EQ(b->bytes.received, 5);
    CHECK_EQ(a->bytes.sent, 5);
    CHECK_EQ(stream_read(b, buf, 16, in_ms(5), NULL), ERR_TIMEOUT);
    memstream_push(a, "x", 1);
    memstream_end(a);
    CHECK_EQ(stream_read(b, buf, 16, soon(), NULL), 1);
    CHECK_EQ(stream_read(b, buf, 16, soon(), NULL), 0);
    stream_close(a);
    CHECK_EQ(stream_write(b, "y", 1, soon()), ERR_BROKEN_PIPE);
    stream_close(b);
}

TEST(memstream_moves_bytes_both_ways)
{
    run_fiber(exchange, NULL);
}

static void with_faults(void *arg)
{
    struct memstream_faults faults = MEMSTREAM_FAULTS_NONE;
    char buf[16];

    (void)arg;
    faults.max_read = 2;
    faults.read_error = ERR_RESET;
    faults.fail_read_after = 5;
    faults.write_error = ERR_BROKEN_PIPE;
    faults.fail_write_after = 3;
    memstream_pair(&faults, &a, &b);
    memstream_push(b, "abcdefgh", 8);
    CHECK_EQ(stream_read(a, buf, 16, soon(), NULL), 2);
    CHECK_EQ(stream_read(a, buf, 16, soon(), NULL), 2);
    CHECK_EQ(stream_read(a, buf, 16, soon(), NULL), 1);
    CHECK_EQ(stream_read(a, buf, 16, soon(), NULL), ERR_RESET);
    CHECK_EQ(stream_read(a, buf, 16, soon(), NULL), ERR_RESET);
    CHECK(!stream_is_idle_healthy(a));
    CHECK_EQ(stream_write(a, "1234", 4, soon()), ERR_BROKEN_PIPE);
    CHECK(str_eq_c(memstream_unread(b), "123"));
    stream_close(b);
    stream_close(a);
    faults = (struct memstream_faults)MEMSTREAM_FAULTS_NONE;
    faults.end_read_after = 3;
    memstream_pair(&faults, &a, &b);
    memstream_push(b, "abcdefgh", 8);
    CHECK_EQ(stream_read(a, buf, 16, soon(), NULL), 3);
    CHECK_EQ(stream_read(a, buf, 16, soon(), NULL), 0);
    stream_close(a);
    stream_close(b);
}

TEST(memstream_fails_as_ordered)
{
    run_fiber(with_faults, NULL);
}

static void read_slowly(void *arg)
{
    struct wait_group *group = arg;
    char buf[7];
    size_t sum = 0;

    while (sum < 1000) {
        ptrdiff_t got = stream_read(b, buf, sizeof buf, soon(), NULL);

        CHECK(got > 0);
        sum += (size_t)got;
        fiber_yield();
    }
    wait_group_done(group);
}

static void write_into_little_room(void *arg)
{
    struct memstream_faults faults = MEMSTREAM_FAULTS_NONE;
    struct wait_group group;
    char data[1000] = {0};

    (void)arg;
    faults.capacity = 10;
    memstream_pair(&faults, &a, &b);
    CHECK_EQ(stream_write(a, data, 11, in_ms(5)), ERR_TIMEOUT);
    CHECK_EQ(memstream_unread(b).len, 10);
    wait_group_init(&group);
    wait_group_add(&group, 1);
    fiber_start(fiber_loop(), read_slowly, &group);
    CHECK_EQ(stream_write(a, data, 990, soon()), 0);
    CHECK_EQ(wait_group_wait(&group), 0);
    stream_close(a);
    stream_close(b);
}

TEST(memstream_makes_a_writer_wait_for_room)
{
    run_fiber(write_into_little_room, NULL);
}

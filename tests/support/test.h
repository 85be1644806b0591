/* The unit-test harness: a test registers itself and runs in a child process of its own.
 *
 *     TEST(buf_refuses_past_its_maximum)
 *     {
 *         CHECK(buf_append_c(&b, "x") == ERR_LIMIT);
 *         CHECK_EQ(b.len, 3);
 *     }
 *
 * A failed CHECK prints both sides and ends that test alone; a crash or a hang (10 s) fails it too.
 * `unit_base [FILTER]` runs the tests whose names contain FILTER; the last line counts them. */
#ifndef SUPPORT_TEST_H
#define SUPPORT_TEST_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};

void test_register(struct test *test);
_Noreturn void test_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void test_equal_int(const char *file, int line, const char *text, long long got, long long want);
void test_equal_double(const char *file, int line, const char *text, double got, double want,
                       double tolerance);
void test_equal_text(const char *file, int line, const char *text, const char *got,
                     const char *want);

#define TEST(test_name)                                                                            \
    static void test_name(void);                                                                   \
    static struct test test_name##_entry = {#test_name, test_name, NULL};                          \
    __attribute__((constructor)) static void test_name##_register(void)                            \
    {                                                                                              \
        test_register(&test_name##_entry);                                                         \
    }                                                                                              \
    static void test_name(void)

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            test_fail(__FILE__, __LINE__, "%s", #cond);                                            \
    } while (0)
#define CHECK_EQ(got, want)                                                                        \
    test_equal_int(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))
#define CHECK_NEAR(got, want, tolerance)                                                           \
    test_equal_double(__FILE__, __LINE__, #got, (got), (want), (tolerance))
#define CHECK_TEXT(got, want) test_equal_text(__FILE__, __LINE__, #got, (got), (want))

#endif

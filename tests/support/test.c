#include "support/test.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEST_SECONDS = 30 };

static struct test *first;

void test_register(struct test *test)
{
    struct test **at = &first;

    while (*at && strcmp((*at)->name, test->name) < 0)
        at = &(*at)->next;
    test->next = *at;
    *at = test;
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fprintf(stderr, "  %s:%d: ", file, line);
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

void test_equal_int(const char *file, int line, const char *text, long long got, long long want)
{
    if (got != want)
        test_fail(file, line, "%s: got %lld, want %lld", text, got, want);
}

void test_equal_double(const char *file, int line, const char *text, double got, double want,
                       double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        test_fail(file, line, "%s: got %.17g, want %.17g", text, got, want);
}

void test_equal_text(const char *file, int line, const char *text, const char *got,
                     const char *want)
{
    if (!got || strcmp(got, want) != 0)
        test_fail(file, line, "%s: got \"%s\", want \"%s\"", text, got ? got : "(null)", want);
}

static bool run_in_child(const struct test *test)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(TEST_SECONDS);
        test->run();
        exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    if (WIFSIGNALED(status))
        fprintf(stderr, "  %s\n",
                WTERMSIG(status) == SIGALRM ? "still running after its time limit"
                                            : strsignal(WTERMSIG(status)));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
    unsigned passed = 0;
    unsigned failed = 0;

    for (const struct test *test = first; test; test = test->next) {
        if (argc > 1 && !strstr(test->name, argv[1]))
            continue;
        if (run_in_child(test)) {
            passed++;
        } else {
            failed++;
            fprintf(stderr, "FAIL %s\n", test->name);
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0 || passed == 0;
}

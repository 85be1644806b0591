#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "support/test.h"

static char path[] = "/tmp/gale-log-XXXXXX";
static char spec[64];
static char text[8192];

static void open_log(struct log_options options)
{
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    close(fd);
    snprintf(spec, sizeof spec, "file=%s", path);
    options.output = spec;
    CHECK_EQ(log_setup(&options, NULL), 0);
}

/* What was written, with the time cut out. */
static const char *written(void)
{
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, text, sizeof text - 1);
    char *time;

    CHECK(len >= 0);
    text[len] = '\0';
    close(fd);
    unlink(path);
    while ((time = strstr(text, "20")) && strlen(time) > 20 && time[10] == 'T')
        memmove(time, time + 20, strlen(time + 20) + 1);
    return text;
}

TEST(log_text_lines_are_k6s)
{
    open_log((struct log_options){.level = LOG_INFO});
    log_printf(LOG_ERROR, "thresholds on metrics '%s' have been crossed", "checks");
    log_console(LOG_INFO, STR("plain"));
    log_msg(LOG_WARN, STR("two\nlines \"q\""), "scenario", "a b", "vu", "3", NULL);
    log_printf(LOG_DEBUG, "not shown");
    CHECK_TEXT(written(),
               "time=\"\" level=error msg=\"thresholds on metrics 'checks' have been crossed\"\n"
               "time=\"\" level=info msg=plain source=console\n"
               "time=\"\" level=warning msg=\"two\\nlines \\\"q\\\"\" scenario=\"a b\" vu=3\n");
}

TEST(log_json_and_raw_lines)
{
    open_log((struct log_options){.level = LOG_DEBUG, .format = LOG_JSON});
    log_console(LOG_DEBUG, STR("a\tb\x01"));
    CHECK_TEXT(written(), "{\"level\":\"debug\",\"msg\":\"a\\tb\\u0001\",\"source\":\"console\","
                          "\"time\":\"\"}\n");
}

TEST(log_raw_is_the_message_alone)
{
    open_log((struct log_options){.level = LOG_INFO, .format = LOG_RAW});
    log_console(LOG_INFO, STR("just this"));
    CHECK_TEXT(written(), "just this\n");
}

TEST(log_never_shows_a_secret)
{
    open_log((struct log_options){.level = LOG_INFO, .format = LOG_RAW});
    log_redact(STR("hunter2"));
    log_redact(STR(""));
    log_printf(LOG_INFO, "hunter2 and xhunter2x");
    CHECK_TEXT(written(), "***SECRET_REDACTED*** and x***SECRET_REDACTED***x\n");
}

TEST(log_hides_secrets_in_every_form)
{
    open_log((struct log_options){.level = LOG_INFO, .format = LOG_JSON});
    log_redact(STR("ab"));
    log_redact(STR("ab\"c\nd"));
    log_redact(STR("abcdef"));
    log_msg(LOG_INFO, STR("ab\"c\nd [\"ab\\\"c\\nd\"] abcdef xab"), "field", "ab\"c\nd", NULL);
    CHECK(strstr(written(), "\"msg\":\"***SECRET_REDACTED*** [\\\"***SECRET_REDACTED***\\\"] "
                            "***SECRET_REDACTED*** x***SECRET_REDACTED***\","
                            "\"field\":\"***SECRET_REDACTED***\""));
}

TEST(log_limited_counts_what_it_holds_back)
{
    static struct log_limit limit;

    open_log((struct log_options){.level = LOG_INFO, .format = LOG_RAW});
    for (int i = 0; i < 50; i++)
        log_limited(&limit, LOG_WARN, "failed");
    usleep(1050000);
    log_limited(&limit, LOG_WARN, "failed");
    CHECK(strncmp(written(), "failed\nfailed (and ", 19) == 0);
}

TEST(log_burst_lets_some_through_and_says_what_it_held_back)
{
    static struct log_limit limit;
    char line[80];
    int seen = 0;
    int held = 0;

    open_log((struct log_options){.level = LOG_INFO, .format = LOG_TEXT});
    for (int i = 0; i < LOG_BURST + 30; i++) {
        char error[24];

        snprintf(error, sizeof error, "%d \"b\"", i);
        log_burst(&limit, LOG_WARN, STR("Request Failed"), "error", error, NULL);
    }
    log_say_held();
    log_say_held(); /* says it once */
    for (const char *at = written(); (at = strstr(at, "msg=\"Request Failed\"")); at++) {
        seen += strncmp(at, "msg=\"Request Failed\" error=\"", 28) == 0;
        if (sscanf(at, "msg=\"Request Failed\" held_back=%79s", line) == 1)
            held += (int)strtol(line, NULL, 10);
    }
    CHECK(seen >= LOG_BURST);
    CHECK(held <= 30 && held > 0);
    CHECK(strstr(text, "error=\"7 \\\"b\\\"\""));
}

TEST(log_burst_says_the_same_once)
{
    static struct log_limit limit;

    open_log((struct log_options){.level = LOG_INFO, .format = LOG_RAW});
    while (clock_now() % NSEC_PER_SEC > NSEC_PER_SEC / 2)
        usleep(10000);
    for (int i = 0; i < 5; i++)
        log_burst(&limit, LOG_WARN, STR("Request Failed"), "error", i == 3 ? "b" : "a", NULL);
    CHECK_TEXT(written(), "Request Failed\nRequest Failed\n");
}

TEST(log_setup_names_what_is_wrong)
{
    struct diag d = DIAG_INIT;

    CHECK_EQ(log_setup(&(struct log_options){.output = "syslog"}, &d), ERR_INVALID);
    CHECK_TEXT(d.message, "unknown log output 'syslog': use stderr, stdout, none or file=PATH");
    diag_deinit(&d);
    CHECK_EQ(log_setup(&(struct log_options){.output = "file=/tmp/x,level=loud"}, &d), ERR_INVALID);
    CHECK_TEXT(d.message, "unknown log level 'loud': use error, warning, info or debug");
    diag_deinit(&d);
    CHECK(log_setup(&(struct log_options){.output = "file=/no/such/folder/x"}, &d) < 0);
    CHECK_TEXT(d.message, "can't open log file '/no/such/folder/x': No such file or directory");
    diag_deinit(&d);
}

#include "store/journal.h"

#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "fixture.h"
#include "store/access.h"

static char seen[4096];

static void see(const char *text)
{
    size_t len = strlen(seen);

    snprintf(seen + len, sizeof seen - len, "%s%s", len ? " " : "", text);
}

static void check_seen(const char *want)
{
    CHECK_TEXT(seen, want);
    seen[0] = '\0';
}

static const char run[] = "run000000000";

/* --- events ------------------------------------------------------------------------------- */

static void see_event(void *arg, const struct store_event *e)
{
    (void)arg;
    see(e->message);
    CHECK(e->second == STORE_NO_SECOND || e->second == 7);
    CHECK_TEXT(e->data, "{}");
}

TEST(journal_of_events)
{
    struct store *s = fixture_open();
    struct store_event e = {.wall_nsec = 5,
                            .second = STORE_NO_SECOND,
                            .kind = "planned",
                            .severity = "info",
                            .message = "a",
                            .data = "{}"};
    struct store_event_filter filter = {.run = run};
    struct store_page page = {.limit = 2};
    int64_t first;
    int64_t id;

    fixture_add_run(s, run);
    CHECK_EQ(store_add_event(s, run, &e, &first, NULL), 0);
    e.second = 7;
    e.message = "b";
    e.kind = "agent_lost";
    e.region = "eu";
    e.agent = "a1";
    CHECK_EQ(store_add_event(s, run, &e, &id, NULL), 0);
    CHECK(id > first);
    e.message = "c";
    e.region = "us";
    CHECK_EQ(store_add_event(s, run, &e, NULL, NULL), 0);
    CHECK_EQ(store_list_events(s, &filter, &page, see_event, NULL, NULL), 1);
    CHECK_EQ(store_list_events(s, &filter, &page, see_event, NULL, NULL), 0);
    check_seen("a b c");
    filter.regions = "[\"eu\"]";
    page = (struct store_page){.limit = 9};
    CHECK_EQ(store_list_events(s, &filter, &page, see_event, NULL, NULL), 0);
    check_seen("b");
    filter = (struct store_event_filter){.run = run, .kinds = "[\"agent_lost\",\"x\"]"};
    page = (struct store_page){.limit = 9};
    CHECK_EQ(store_list_events(s, &filter, &page, see_event, NULL, NULL), 0);
    check_seen("b c");
    store_close(s);
}

TEST(journals_are_bounded)
{
    struct store *s = fixture_open();
    struct store_error e = {.region = "eu", .count = 1};
    struct diag d = DIAG_INIT;
    char text[32];

    fixture_add_run(s, run);
    CHECK_EQ(store_begin(s, NULL), 0);
    for (int i = 0; i < STORE_MAX_ERRORS; i++) {
        snprintf(text, sizeof text, "message %d", i);
        e.message = text;
        CHECK_EQ(store_add_error(s, run, &e, NULL), 0);
    }
    CHECK_EQ(store_commit(s, NULL), 0);
    e.message = "one more";
    fixture_check_error(&d, store_add_error(s, run, &e, &d), ERR_LIMIT, "1000 messages");
    e.message = "message 5"; /* one that is known is counted still */
    CHECK_EQ(store_add_error(s, run, &e, NULL), 0);
    store_close(s);
    s = fixture_open(); /* and the bound is known to the next writer */
    e.message = "one more";
    fixture_check_error(&d, store_add_error(s, run, &e, &d), ERR_LIMIT, "no more are kept");
    store_close(s);
}

/* --- logs --------------------------------------------------------------------------------- */

static void see_log(void *arg, const struct store_log *l)
{
    (void)arg;
    see(l->message);
}

static void list_logs(struct store *s, const struct store_log_filter *filter, const char *want)
{
    struct store_page page = {.limit = 2};

    while (store_list_logs(s, filter, &page, see_log, NULL, NULL) > 0)
        continue;
    check_seen(want);
}

static void add_log(struct store *s, enum log_level level, const char *source, int64_t second,
                    const char *message)
{
    struct store_log l = {.wall_nsec = 1,
                          .second = second,
                          .level = level,
                          .source = source,
                          .region = second > 5 ? "eu" : "us",
                          .agent = "a1",
                          .vu = -1,
                          .iteration = -1,
                          .message = message};

    CHECK_EQ(store_add_log(s, run, &l, NULL), 0);
}

TEST(journal_of_logs)
{
    struct store *s = fixture_open();

    fixture_add_run(s, run);
    add_log(s, LOG_INFO, "console", STORE_NO_SECOND, "init");
    add_log(s, LOG_ERROR, "console", 3, "Bad<script>");
    add_log(s, LOG_WARN, "agent", 6, "slow");
    add_log(s, LOG_DEBUG, "console", 9, "bad");
    list_logs(s, &(struct store_log_filter){.run = run, .level = LOG_DEBUG},
              "bad slow Bad<script> init");
    list_logs(s, &(struct store_log_filter){.run = run, .level = LOG_DEBUG, .oldest_first = true},
              "init Bad<script> slow bad");
    list_logs(s, &(struct store_log_filter){.run = run, .level = LOG_WARN}, "slow Bad<script>");
    list_logs(s, &(struct store_log_filter){.run = run, .level = LOG_DEBUG, .text = "BAD"},
              "bad Bad<script>");
    list_logs(s, &(struct store_log_filter){.run = run, .level = LOG_DEBUG, .source = "agent"},
              "slow");
    list_logs(
        s,
        &(struct store_log_filter){.run = run, .level = LOG_DEBUG, .regions = "[\"us\", \"ap\"]"},
        "Bad<script> init");
    list_logs(s, &(struct store_log_filter){.run = run, .level = LOG_DEBUG, .from = 3, .to = 9},
              "slow Bad<script>");
    list_logs(s, &(struct store_log_filter){.run = run, .level = LOG_DEBUG, .agent = "a2"}, "");
    store_close(s);
}

/* --- the others --------------------------------------------------------------------------- */

static void see_exemplar(void *arg, const struct store_exemplar *e)
{
    (void)arg;
    see(e->data);
}

static void see_error(void *arg, const struct store_error *e)
{
    char text[64];

    (void)arg;
    snprintf(text, sizeof text, "%s:%s:%lld:%lld-%lld", e->region, e->message, (long long)e->count,
             (long long)e->first, (long long)e->last);
    see(text);
}

TEST(journal_of_exemplars_and_errors)
{
    struct store *s = fixture_open();
    struct store_exemplar e = {.second = 1, .kind = "slow", .region = "eu", .data = "1"};
    struct store_exemplar_filter filter = {.run = run};
    struct store_error error = {
        .region = "eu", .message = "boom", .count = 2, .first = 4, .last = 4};
    struct store_page page = {.limit = 9};

    fixture_add_run(s, run);
    CHECK_EQ(store_add_exemplar(s, run, &e, NULL), 0);
    e = (struct store_exemplar){.second = 5, .kind = "failed", .region = "us", .data = "2"};
    CHECK_EQ(store_add_exemplar(s, run, &e, NULL), 0);
    CHECK_EQ(store_list_exemplars(s, &filter, &page, see_exemplar, NULL, NULL), 0);
    check_seen("2 1");
    filter = (struct store_exemplar_filter){.run = run, .kind = "slow", .to = 3};
    page = (struct store_page){.limit = 9};
    CHECK_EQ(store_list_exemplars(s, &filter, &page, see_exemplar, NULL, NULL), 0);
    check_seen("1");
    filter = (struct store_exemplar_filter){.run = run, .regions = "[\"us\",\"eu\"]"};
    page = (struct store_page){.limit = 9};
    CHECK_EQ(store_list_exemplars(s, &filter, &page, see_exemplar, NULL, NULL), 0);
    check_seen("2 1");
    filter.regions = "[\"mars\",\"us\"]";
    page = (struct store_page){.limit = 9};
    CHECK_EQ(store_list_exemplars(s, &filter, &page, see_exemplar, NULL, NULL), 0);
    check_seen("2");
    CHECK_EQ(store_add_error(s, run, &error, NULL), 0);
    error.first = error.last = 9;
    CHECK_EQ(store_add_error(s, run, &error, NULL), 0);
    error.region = "us";
    CHECK_EQ(store_add_error(s, run, &error, NULL), 0);
    CHECK_EQ(store_list_errors(s, run, see_error, NULL, NULL), 0);
    check_seen("eu:boom:4:4-9 us:boom:2:9-9");
    store_close(s);
}

static void see_threshold(void *arg, const struct store_threshold *t)
{
    char text[64];

    (void)arg;
    snprintf(text, sizeof text, "%s:%s:%d:%g:%lld", t->metric, t->expression, t->ok, t->value,
             (long long)t->crossed);
    see(text);
}

static void see_agent(void *arg, const struct store_agent *a)
{
    (void)arg;
    see(a->region);
    see(a->data);
}

TEST(journal_of_thresholds_and_agents)
{
    struct store *s = fixture_open();
    struct store_threshold list[] = {
        {.metric = "b",
         .expression = "x<1",
         .source = "run",
         .ok = true,
         .value = (double)NAN,
         .crossed = STORE_NO_SECOND},
        {.metric = "a", .expression = "y<2", .source = "script", .value = 3, .crossed = 5},
    };
    struct store_agent agent = {.id = "a1", .region = "eu", .data = "1"};

    fixture_add_run(s, run);
    CHECK_EQ(store_put_thresholds(s, run, list, 2, NULL), 0);
    list[0].value = 0.5;
    CHECK_EQ(store_put_thresholds(s, run, list, 2, NULL), 0);
    list[0].value = (double)NAN;
    CHECK_EQ(store_put_thresholds(s, run, list, 2, NULL), 0);
    CHECK_EQ(store_list_thresholds(s, run, see_threshold, NULL, NULL), 0);
    check_seen("b:x<1:1:nan:-1 a:y<2:0:3:5");
    CHECK_EQ(store_put_agent(s, run, &agent, NULL), 0);
    agent.data = "2";
    CHECK_EQ(store_put_agent(s, run, &agent, NULL), 0);
    agent = (struct store_agent){.id = "a0", .region = "ap", .data = "3"};
    CHECK_EQ(store_put_agent(s, run, &agent, NULL), 0);
    CHECK_EQ(store_list_agents(s, run, see_agent, NULL, NULL), 0);
    check_seen("ap 3 eu 2");
    store_close(s);
}

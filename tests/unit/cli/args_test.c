#include "cli/args.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "support/test.h"

struct parsed {
    struct args args;
    struct diag diag;
    int err;
};

/* As `gale run` parses them. */
static void parse(struct parsed *p, const char *line)
{
    static char text[256];
    char *words[32];
    int count = 0;

    strncpy(text, line, sizeof text - 1);
    for (char *rest = text, *word; (word = strsep(&rest, " "));)
        words[count++] = word;
    p->diag = (struct diag)DIAG_INIT;
    p->err = args_parse(&p->args, 'R', true, count, words, &p->diag);
}

static void done(struct parsed *p)
{
    args_deinit(&p->args);
    diag_deinit(&p->diag);
}

static json_int_t option(const struct parsed *p, const char *key)
{
    return json_integer_value(json_object_get(p->args.options, key));
}

TEST(args_forms_of_a_value)
{
    static const char *const lines[] = {"--vus 7 x.js", "--vus=7 x.js", "-u 7 x.js",
                                        "-u7 x.js",     "-u=7 x.js",    "x.js --vus 7",
                                        "-qvu7 x.js",   "-u 7 -- x.js"};

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct parsed p;

        parse(&p, lines[i]);
        CHECK_EQ(p.err, 0);
        CHECK_EQ(option(&p, "vus"), 7);
        CHECK_EQ(p.args.positional_count, 1);
        CHECK_TEXT(p.args.positional[0], "x.js");
        done(&p);
    }
}

TEST(args_switches)
{
    struct parsed p;

    parse(&p, "-q --linger=false --no-thresholds --no-setup -");
    CHECK_EQ(p.err, 0);
    CHECK(args_bool(&p.args, FLAG_QUIET));
    CHECK(args_is_set(&p.args, FLAG_LINGER) && !args_bool(&p.args, FLAG_LINGER));
    CHECK(args_bool(&p.args, FLAG_NO_THRESHOLDS));
    CHECK(!args_bool(&p.args, FLAG_VERBOSE));
    CHECK(json_is_true(json_object_get(p.args.options, "noSetup")));
    CHECK_TEXT(p.args.positional[0], "-");
    done(&p);
}

TEST(args_lists_add_up_and_texts_do_not)
{
    struct parsed p;

    parse(&p, "-o json -o csv=x.csv -s 1m:50 --stage 2m:0 --tag a=1 --tag b=2 -c one -c two");
    CHECK_EQ(p.err, 0);
    CHECK_EQ(p.args.value_count[FLAG_OUT], 2);
    CHECK_TEXT(p.args.values[FLAG_OUT][1], "csv=x.csv");
    CHECK_EQ(json_array_size(json_object_get(p.args.options, "stages")), 2);
    CHECK_EQ(json_object_size(json_object_get(p.args.options, "tags")), 2);
    CHECK_TEXT(args_text(&p.args, FLAG_CONFIG, NULL), "two");
    done(&p);
}

TEST(args_http_debug_may_stand_bare)
{
    struct parsed p;

    parse(&p, "--http-debug x.js");
    CHECK_TEXT(json_string_value(json_object_get(p.args.options, "httpDebug")), "headers");
    CHECK_EQ(p.args.positional_count, 1);
    done(&p);
    parse(&p, "--http-debug=full x.js");
    CHECK_TEXT(json_string_value(json_object_get(p.args.options, "httpDebug")), "full");
    done(&p);
}

static void check_refused(const char *line, const char *part)
{
    struct parsed p;

    parse(&p, line);
    CHECK_EQ(p.err, ERR_INVALID);
    if (!strstr(p.diag.message, part))
        test_fail(__FILE__, __LINE__, "%s: %s", line, p.diag.message);
    diag_deinit(&p.diag);
}

TEST(args_mistakes_are_named)
{
    check_refused("--vsu 3", "did you mean --vus?");
    check_refused("--duratoin 3s", "did you mean --duration?");
    check_refused("--sumary-export x", "did you mean --summary-export?");
    check_refused("--xyzzyplugh", "see --help");
    check_refused("-z", "-z");
    check_refused("-qz", "-z");
    check_refused("--vus", "needs a value");
    check_refused("-u", "needs a value");
    check_refused("--vus=many", "--vus");
    check_refused("--duration 10", "as in 10s");
    check_refused("-s 5:10", "as in 5s");
    check_refused("--quiet=perhaps", "true or false");
    check_refused("--archive-out x", "--archive-out"); /* of another command */
}

TEST(args_environment_stands_behind_flags)
{
    struct parsed p;

    setenv("K6_SUMMARY_MODE", "full", 1);
    setenv("K6_OUT", "json,csv", 1);
    setenv("K6_LINGER", "1", 1);
    setenv("K6_NO_THRESHOLDS", "false", 1);
    parse(&p, "x.js");
    CHECK_TEXT(args_text(&p.args, FLAG_SUMMARY_MODE, ""), "full");
    CHECK(p.args.from_env[FLAG_OUT]);
    CHECK(args_bool(&p.args, FLAG_LINGER));
    CHECK(!args_bool(&p.args, FLAG_NO_THRESHOLDS));
    done(&p);
    parse(&p, "--summary-mode compact -o json x.js");
    CHECK_TEXT(args_text(&p.args, FLAG_SUMMARY_MODE, ""), "compact");
    CHECK(!p.args.from_env[FLAG_OUT]);
    CHECK_EQ(p.args.value_count[FLAG_OUT], 1);
    done(&p);
}

static int command_at(const char *line)
{
    static char text[256];
    char *words[32];
    int count = 0;

    strncpy(text, line, sizeof text - 1);
    for (char *rest = text, *word; (word = strsep(&rest, " "));)
        words[count++] = word;
    return args_find_command(count, words);
}

TEST(args_command_behind_flags_of_all)
{
    CHECK_EQ(command_at("gale"), 1);
    CHECK_EQ(command_at("gale run x.js"), 1);
    CHECK_EQ(command_at("gale -q -v run x.js"), 3);
    CHECK_EQ(command_at("gale --log-format json run x.js"), 3);
    CHECK_EQ(command_at("gale --log-format=json run x.js"), 2);
    CHECK_EQ(command_at("gale --vus 3 run x.js"), 1); /* of run only */
    CHECK_EQ(command_at("gale -q"), 2);
    CHECK_EQ(command_at("gale --config"), 2);
}

TEST(args_nearest_word)
{
    static const char *const words[] = {"run", "archive", "inspect", "version", NULL};

    CHECK_TEXT(args_nearest(STR("rnu"), words), "run");
    CHECK_TEXT(args_nearest(STR("achive"), words), "archive");
    CHECK_TEXT(args_nearest(STR("verison"), words), "version");
    CHECK(!args_nearest(STR("xyz"), words));
    CHECK(!args_nearest(STR("a-word-that-is-longer-than-thirty-one-letters"), words));
}

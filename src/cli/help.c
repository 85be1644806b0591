#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/command.h"
#include "engine/options.h"

enum { FLAG_COLUMN = 44 };

bool print_out(struct str text)
{
    while (text.len > 0) {
        ssize_t put = write(STDOUT_FILENO, text.ptr, text.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        text = str_from_index(text, (size_t)put);
    }
    return true;
}

static void put_flag(struct buf *out, char short_name, const char *name, const char *arg,
                     const char *help, const char *def)
{
    size_t from = out->len;

    if (short_name)
        buf_printf(out, "  -%c, --%s", short_name, name);
    else
        buf_printf(out, "      --%s", name);
    if (arg[0])
        buf_printf(out, " %s", arg);
    do {
        buf_append_char(out, ' ');
    } while (out->len - from < FLAG_COLUMN);
    buf_append_c(out, help);
    if (def[0] && strcmp(def, "false") != 0 && strcmp(def, "0") != 0 && strlen(def) < 40)
        buf_printf(out, " (default %s)", def);
    buf_append_char(out, '\n');
}

void help_general(struct buf *out)
{
    buf_append_c(out, "gale runs k6 scripts, several times faster than k6, and gets the numbers "
                      "right.\n\nUsage:\n  gale COMMAND [flags]\n\nCommands:\n");
    for (size_t i = 0; i < command_count; i++)
        buf_printf(out, "  %-12s%s\n", command_table[i].name, command_table[i].brief);
    buf_append_c(out, "\nExamples:\n  gale new                       write script.js\n"
                      "  gale run script.js             run it once\n"
                      "  gale run -u 50 -d 1m script.js 50 users for a minute\n\nFlags:\n");
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (strchr(flag_table[i].commands, 'G'))
            put_flag(out, flag_table[i].short_name, flag_table[i].name, flag_table[i].arg,
                     flag_table[i].help, "");
    }
    buf_append_c(out, "\n`gale COMMAND --help` tells more.\n");
}

/* --- grouped ------------------------------------------------------------------------------ */

enum group { GROUP_LOAD, GROUP_RESULTS, GROUP_HTTP, GROUP_NETWORK, GROUP_SCRIPT, GROUP_COUNT };

static const char *const group_titles[] = {"How much load", "What is measured and shown",
                                           "HTTP requests", "Connections", "The script"};

static enum group group_of(enum option_id id)
{
    switch (id) {
    case OPTION_VUS:
    case OPTION_DURATION:
    case OPTION_ITERATIONS:
    case OPTION_STAGES:
    case OPTION_PAUSED:
    case OPTION_RPS:
    case OPTION_MIN_ITERATION_DURATION:
    case OPTION_EXECUTION_SEGMENT:
    case OPTION_EXECUTION_SEGMENT_SEQUENCE:
    case OPTION_WORKERS:
        return GROUP_LOAD;
    case OPTION_SUMMARY_TREND_STATS:
    case OPTION_SUMMARY_TIME_UNIT:
    case OPTION_SYSTEM_TAGS:
    case OPTION_TAGS:
    case OPTION_MAX_SERIES:
        return GROUP_RESULTS;
    case OPTION_NO_CONNECTION_REUSE:
    case OPTION_NO_VU_CONNECTION_REUSE:
    case OPTION_INSECURE_SKIP_TLS_VERIFY:
    case OPTION_BLACKLIST_IPS:
    case OPTION_BLOCK_HOSTNAMES:
    case OPTION_DNS:
    case OPTION_LOCAL_IPS:
        return GROUP_NETWORK;
    case OPTION_NO_SETUP:
    case OPTION_NO_TEARDOWN:
    case OPTION_CONSOLE_OUTPUT:
    case OPTION_VU_MEMORY_LIMIT:
        return GROUP_SCRIPT;
    default:
        return GROUP_HTTP;
    }
}

static void put_options(struct buf *out)
{
    for (int group = 0; group < GROUP_COUNT; group++) {
        buf_printf(out, "\n%s:\n", group_titles[group]);
        for (size_t i = 0; i < OPTION_COUNT; i++) {
            const struct option_info *o = &option_table[i];

            if (o->flag[0] && (int)group_of(o->id) == group)
                put_flag(out, o->short_flag, o->flag, o->arg, o->help, o->def);
        }
    }
    buf_append_c(out, "\nMost of these may stand in the script's `options` and in the environment "
                      "too: summaryTrendStats, K6_SUMMARY_TREND_STATS.\n");
}

/* Flags that some command has, or those that all have. */
static void put_flags(struct buf *out, const struct command *command, bool of_all)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        const struct flag_info *f = &flag_table[i];

        if (flag_belongs(f, command->letter) && (strchr(f->commands, 'G') != NULL) == of_all)
            put_flag(out, f->short_name, f->name, f->arg, f->help, "");
    }
}

static bool has_flags(const struct command *command)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (strchr(flag_table[i].commands, command->letter))
            return true;
    }
    return false;
}

void help_command(const struct command *command, struct buf *out)
{
    buf_printf(out, "%s\n\nUsage:\n  gale %s %s%s[flags]\n", command->brief, command->name,
               command->usage, command->usage[0] ? " " : "");
    if (command->text[0])
        buf_printf(out, "\n%s", command->text);
    if (command->takes_options)
        put_options(out);
    if (has_flags(command)) {
        buf_printf(out, "\nOf gale %s:\n", command->name);
        put_flags(out, command, false);
    }
    buf_append_c(out, "\nOf every command:\n");
    put_flags(out, command, true);
}

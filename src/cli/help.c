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

void help_command(const struct command *command, struct buf *out)
{
    buf_printf(out, "%s\n\nUsage:\n  gale %s %s%s[flags]\n", command->brief, command->name,
               command->usage, command->usage[0] ? " " : "");
    if (command->text[0])
        buf_printf(out, "\n%s", command->text);
    if (command->takes_options) {
        buf_append_c(out, "\nOptions of the test (also K6_ environment variables and script "
                          "options):\n");
        for (size_t i = 0; i < OPTION_COUNT; i++) {
            if (option_table[i].flag[0])
                put_flag(out, option_table[i].short_flag, option_table[i].flag, option_table[i].arg,
                         option_table[i].help, option_table[i].def);
        }
    }
    buf_append_c(out, "\nFlags:\n");
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (flag_belongs(&flag_table[i], command->letter))
            put_flag(out, flag_table[i].short_name, flag_table[i].name, flag_table[i].arg,
                     flag_table[i].help, "");
    }
}

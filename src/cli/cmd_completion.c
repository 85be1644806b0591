/* gale completion: scripts for shells, made from the same tables as the parser and the help. */
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "cli/args.h"
#include "cli/command.h"
#include "engine/options.h"
#include "engine/run.h"

static void each_flag(const struct command *c,
                      void (*fn)(struct buf *out, const char *name, char short_name,
                                 const char *help, bool has_arg),
                      struct buf *out)
{
    for (size_t i = 0; c->takes_options && i < OPTION_COUNT; i++) {
        if (option_table[i].flag[0])
            fn(out, option_table[i].flag, option_table[i].short_flag, option_table[i].help,
               option_table[i].arg[0] != '\0');
    }
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (flag_belongs(&flag_table[i], c->letter))
            fn(out, flag_table[i].name, flag_table[i].short_name, flag_table[i].help,
               flag_table[i].arg[0] != '\0');
    }
}

static void put_word(struct buf *out, const char *name, char short_name, const char *help,
                     bool has_arg)
{
    (void)short_name;
    (void)help;
    (void)has_arg;
    buf_printf(out, " --%s", name);
}

static void bash(struct buf *out)
{
    buf_append_c(out, "_gale() {\n    local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
                      "    if [ \"$COMP_CWORD\" = 1 ]; then\n        words=\"");
    for (size_t i = 0; i < command_count; i++)
        buf_printf(out, "%s%s", i ? " " : "", command_table[i].name);
    buf_append_c(out, " --help --version\"\n    else\n        case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < command_count; i++) {
        buf_printf(out, "        %s) words=\"", command_table[i].name);
        each_flag(&command_table[i], put_word, out);
        buf_append_c(out, "\" ;;\n");
    }
    buf_append_c(out, "        esac\n    fi\n    if [[ $cur == -* || $COMP_CWORD == 1 ]]; then\n"
                      "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n    else\n"
                      "        COMPREPLY=($(compgen -f -- \"$cur\"))\n    fi\n}\n"
                      "complete -o filenames -F _gale gale\n");
}

/* Quotes for zsh and fish: single quotes, with those in the text closed, escaped, opened again. */
static void put_quoted(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            buf_append_c(out, "'\\''");
        else if (*text == '[' || *text == ']' || *text == ':')
            buf_printf(out, "\\%c", *text);
        else
            buf_append_char(out, *text);
    }
}

static void put_zsh_flag(struct buf *out, const char *name, char short_name, const char *help,
                         bool has_arg)
{
    (void)short_name;
    buf_printf(out, " \\\n            '--%s%s[", name, has_arg ? "=" : "");
    put_quoted(out, help);
    buf_printf(out, "]%s'", has_arg ? ":value" : "");
}

static void zsh(struct buf *out)
{
    buf_append_c(out, "#compdef gale\n_gale() {\n    if (( CURRENT == 2 )); then\n"
                      "        local -a commands=(");
    for (size_t i = 0; i < command_count; i++)
        buf_printf(out, "\n            '%s:%s'", command_table[i].name, command_table[i].brief);
    buf_append_c(out, ")\n        _describe command commands\n        return\n    fi\n"
                      "    case ${words[2]} in\n");
    for (size_t i = 0; i < command_count; i++) {
        buf_printf(out, "    %s)\n        _arguments", command_table[i].name);
        each_flag(&command_table[i], put_zsh_flag, out);
        buf_append_c(out, " \\\n            '*:file:_files' ;;\n");
    }
    buf_append_c(out, "    esac\n}\ncompdef _gale gale\n");
}

static const char *fish_command;

static void put_fish_flag(struct buf *out, const char *name, char short_name, const char *help,
                          bool has_arg)
{
    buf_printf(out, "complete -c gale -n '__fish_seen_subcommand_from %s' -l %s", fish_command,
               name);
    if (short_name)
        buf_printf(out, " -s %c", short_name);
    buf_printf(out, "%s -d '", has_arg ? " -r" : "");
    for (; *help; help++)
        buf_append_c(out, *help == '\'' ? "\\'" : (char[]){*help, '\0'});
    buf_append_c(out, "'\n");
}

static void fish(struct buf *out)
{
    for (size_t i = 0; i < command_count; i++) {
        buf_printf(out, "complete -c gale -n __fish_use_subcommand -f -a %s -d '%s'\n",
                   command_table[i].name, command_table[i].brief);
    }
    for (size_t i = 0; i < command_count; i++) {
        fish_command = command_table[i].name;
        each_flag(&command_table[i], put_fish_flag, out);
    }
}

int cmd_completion(const struct args *args)
{
    static const struct {
        const char *shell;
        void (*print)(struct buf *out);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    struct buf out = BUF_INIT(SIZE_MAX);
    bool ok;

    for (size_t i = 0; args->positional_count == 1 && i < COUNT_OF(shells); i++) {
        if (strcmp(args->positional[0], shells[i].shell) != 0)
            continue;
        shells[i].print(&out);
        ok = print_out(buf_str(&out));
        buf_deinit(&out);
        return ok ? EXIT_CODE_OK : EXIT_CODE_OTHER;
    }
    log_printf(LOG_ERROR, "completion is for one shell: bash, zsh or fish");
    return EXIT_CODE_CONFIG;
}

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/load.h"
#include "engine/run.h"

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(command_table[i].name, name) == 0)
            return &command_table[i];
    }
    return NULL;
}

static int print_help(const struct command *command)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    bool ok;

    if (command)
        help_command(command, &out);
    else
        help_general(&out);
    ok = print_out(buf_str(&out));
    buf_deinit(&out);
    return ok ? EXIT_CODE_OK : EXIT_CODE_OTHER;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct diag d = DIAG_INIT;
    struct args args;
    int code;

    if (args_parse(&args, command->letter, command->takes_options, argc, argv, &d)) {
        fprintf(stderr, "gale %s: %s\n", command->name, d.message);
        diag_deinit(&d);
        return EXIT_CODE_CONFIG;
    }
    if (args_bool(&args, FLAG_HELP))
        code = print_help(command);
    else
        code = load_log(&args);
    if (code == 0 && !args_bool(&args, FLAG_HELP))
        code = command->run(&args);
    args_deinit(&args);
    log_teardown();
    return code;
}

static int unknown_command(const char *name)
{
    const char **names = mem_calloc(command_count + 2, sizeof *names);
    const char *nearest;

    for (size_t i = 0; i < command_count; i++)
        names[i] = command_table[i].name;
    names[command_count] = "help";
    nearest = args_nearest(str_of(name), names);
    mem_free((void *)names);
    if (strcmp(name, "cloud") == 0)
        fprintf(stderr, "gale: unknown command 'cloud': gale run --fleet runs a test from many "
                        "regions: see gale controller --help\n");
    else if (name[0] == '-')
        fprintf(stderr, "gale: unknown flag %s: see gale --help\n", name);
    else if (nearest)
        fprintf(stderr, "gale: unknown command '%s': did you mean '%s'?\n", name, nearest);
    else
        fprintf(stderr, "gale: unknown command '%s': see gale --help\n", name);
    return EXIT_CODE_OTHER;
}

/* gale help [COMMAND] */
static int help(int argc, char **argv)
{
    const struct command *command = argc > 0 ? find_command(argv[0]) : NULL;

    return argc > 0 && !command ? unknown_command(argv[0]) : print_help(command);
}

/* The flags before the command's name stand behind it for the parser. */
static int run_at(const struct command *command, int argc, char **argv, int at)
{
    char **rest = mem_calloc((size_t)argc, sizeof *rest);
    int count = 0;
    int code;

    for (int i = 1; i < argc; i++) {
        if (i != at)
            rest[count++] = argv[i];
    }
    code = run_command(command, count, rest);
    mem_free((void *)rest);
    return code;
}

int main(int argc, char **argv)
{
    int at = args_find_command(argc, argv);
    const char *name = at < argc ? argv[at] : "--help";
    const struct command *command = find_command(name);

    if (command)
        return run_at(command, argc, argv, at);
    if (at == argc || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return print_help(NULL);
    if (strcmp(name, "help") == 0)
        return help(argc - at - 1, argv + at + 1);
    if (strcmp(name, "--version") == 0)
        return run_at(find_command("version"), argc, argv, at);
    return unknown_command(name);
}

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

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    const struct command *command = find_command(name);

    if (command)
        return run_command(command, argc - 2, argv + 2);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return print_help(NULL);
    if (strcmp(name, "help") == 0)
        return print_help(argc > 2 ? find_command(argv[2]) : NULL);
    if (strcmp(name, "--version") == 0)
        return run_command(find_command("version"), argc - 2, argv + 2);
    fprintf(stderr, "gale: unknown command '%s': see gale --help\n", name);
    return EXIT_CODE_OTHER;
}

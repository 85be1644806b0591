/* The commands of gale, a table (commands.c), and what they share. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct args;

struct command {
    const char *name;
    char letter;        /* in flags.def */
    bool takes_options; /* of tests */
    const char *usage;  /* "SCRIPT" */
    const char *brief;
    const char *text;                    /* what --help says before the flags */
    int (*run)(const struct args *args); /* returns the exit code */
};

extern const struct command command_table[];
extern const size_t command_count;

int cmd_run(const struct args *args);
int cmd_archive(const struct args *args);
int cmd_inspect(const struct args *args);
int cmd_controller(const struct args *args);
int cmd_agent(const struct args *args);
int cmd_fleet(const struct args *args);
int cmd_new(const struct args *args);
int cmd_deps(const struct args *args);
int cmd_features(const struct args *args);
int cmd_version(const struct args *args);
int cmd_completion(const struct args *args);

/* The text of `gale --help` and `gale COMMAND --help`. */
void help_general(struct buf *out);
void help_command(const struct command *command, struct buf *out);

/* Writes to stdout, whole; false when that failed (a full disk, a closed pipe). */
bool print_out(struct str text);

#endif

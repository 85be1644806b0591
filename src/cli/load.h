/* What every command on a script begins with: logging, the script, its options. */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/map.h"
#include "base/str.h"
#include "engine/options.h"
#include "engine/scenario.h"
#include "engine/segment.h"

struct args;
struct buf;
struct diag;
struct remote;
struct script;
struct secrets;

struct test {
    const struct args *args;
    const char *name; /* as given on the command line */
    struct script *script;
    struct options options;
    struct scenario_list scenarios;
    struct segment segment;
    struct map env;        /* __ENV: char * by name */
    struct remote *remote; /* owned: where modules come from over the network; NULL: an archive */
    unsigned features;     /* bits of cli/features.h */
    json_t *config;        /* owned: the config file's settings that are no options; NULL: none */
};

/* Logs the diagnostic, frees it and passes the exit code on. */
int load_fail(int exit_code, struct diag *d);

/* Sets the log up by the flags. 0, or an exit code after a message. */
int load_log(const struct args *args);

/* Reads to the end of `fd`, or to the maximum of `out`: ERR_LIMIT then. */
int load_read_fd(int fd, struct buf *out);

/* Reads, compiles and runs the init context, and merges the options. `pass_env`: the system's
 * environment is in __ENV unless a flag says otherwise. 0, or an exit code after a message. */
MUST_USE int load_test(const struct args *args, bool pass_env, struct test *out);
/* Derives scenarios and segment, checks that functions exist. 0, or an exit code after a message.
 */
MUST_USE int load_scenarios(struct test *t);
void load_deinit(struct test *t);

/* The sources of --secret-source; *out is NULL without. Free with secrets_free, or give them to a
 * script. */
MUST_USE int load_secrets(const struct args *args, struct secrets **out, struct diag *d);

/* Calls fn for each output that is asked for until one fails: by the flags; else by K6_OUT, which
 * holds several; else by the config file. */
MUST_USE int load_each_output(const struct test *t,
                              int (*fn)(void *arg, struct str spec, struct diag *d), void *arg,
                              struct diag *d);

/* The script's own text. */
struct str load_source(const struct test *t);

#endif

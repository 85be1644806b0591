/* Command lines: the flags of a command (flags.def) and of tests (engine/options.def), by one
 * parser that follows the custom of k6's: --name value, --name=value, -n value, -nvalue, several
 * short switches in one, -- ends flags. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

enum flag_id {
#define FLAG(id, name, short_name, kind, env, arg, commands, help) FLAG_##id,
#include "cli/flags.def"
#undef FLAG
    FLAG_COUNT
};

enum flag_kind { FLAG_KIND_BOOL, FLAG_KIND_TEXT, FLAG_KIND_LIST };

struct flag_info {
    const char *name;
    char short_name;
    enum flag_kind kind;
    const char *env;
    const char *arg;
    const char *commands;
    const char *help;
};
extern const struct flag_info flag_table[FLAG_COUNT];

struct args {
    char command;                    /* its letter in flags.def */
    bool takes_options;              /* of tests */
    json_t *options;                 /* the tier that flags make; owned */
    const char **values[FLAG_COUNT]; /* what was given, in order; from argv or the environment */
    size_t value_count[FLAG_COUNT];
    bool from_env[FLAG_COUNT]; /* no flag was given, the environment's variable was */
    const char **positional;
    size_t positional_count;
};

/* Whether the command takes the flag. */
bool flag_belongs(const struct flag_info *flag, char command);

/* ERR_INVALID with a message that names the flag, with a suggestion for one that is unknown. */
MUST_USE int args_parse(struct args *a, char command, bool takes_options, int argc, char **argv,
                        struct diag *d);
void args_deinit(struct args *a);

/* Where the command's name stands: behind flags that every command takes ("gale -q run x.js"); argc
 * when there is none. */
int args_find_command(int argc, char **argv);

/* The word of the list (NULL at its end) that `name` may have meant; NULL: none is near. */
const char *args_nearest(struct str name, const char *const *words);

bool args_bool(const struct args *a, enum flag_id id);
bool args_is_set(const struct args *a, enum flag_id id);
const char *args_text(const struct args *a, enum flag_id id, const char *def);

#endif

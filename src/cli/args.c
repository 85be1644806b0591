#include "cli/args.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/options.h"

const struct flag_info flag_table[FLAG_COUNT] = {
#define FLAG(id, name, short_name, kind, env, arg, commands, help)                                 \
    {(name), (short_name), FLAG_KIND_##kind, (env), (arg), (commands), (help)},
#include "cli/flags.def"
#undef FLAG
};

bool flag_belongs(const struct flag_info *flag, char command)
{
    return strchr(flag->commands, command) || strchr(flag->commands, 'G');
}

/* A flag of either table. */
struct found {
    const struct flag_info *flag;
    const struct option_info *option;
};

static bool is_bool(struct found f)
{
    return f.flag ? f.flag->kind == FLAG_KIND_BOOL : f.option->kind == OPTION_KIND_BOOL;
}

static bool find_long(const struct args *a, struct str name, struct found *out)
{
    *out = (struct found){NULL, NULL};
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (str_eq_c(name, flag_table[i].name) && flag_belongs(&flag_table[i], a->command))
            out->flag = &flag_table[i];
    }
    for (size_t i = 0; a->takes_options && i < OPTION_COUNT; i++) {
        if (option_table[i].flag[0] && str_eq_c(name, option_table[i].flag))
            out->option = &option_table[i];
    }
    return out->flag || out->option;
}

static bool find_short(const struct args *a, char name, struct found *out)
{
    *out = (struct found){NULL, NULL};
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (name == flag_table[i].short_name && flag_belongs(&flag_table[i], a->command))
            out->flag = &flag_table[i];
    }
    for (size_t i = 0; a->takes_options && i < OPTION_COUNT; i++) {
        if (name == option_table[i].short_flag)
            out->option = &option_table[i];
    }
    return out->flag || out->option;
}

/* --- suggestions -------------------------------------------------------------------------- */

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum { WORD_MAX = 31 };

/* Letters to add, drop, change or swap with their neighbour to make one word of the other. */
static size_t distance(struct str a, const char *b)
{
    size_t table[WORD_MAX + 1][WORD_MAX + 1];
    size_t len = strlen(b);

    if (a.len > WORD_MAX || len > WORD_MAX)
        return SIZE_MAX;
    for (size_t i = 0; i <= a.len; i++) {
        for (size_t j = 0; j <= len; j++) {
            if (i == 0 || j == 0) {
                table[i][j] = i + j;
                continue;
            }
            table[i][j] = least_of(table[i - 1][j - 1] + (a.ptr[i - 1] != b[j - 1]),
                                   least_of(table[i - 1][j], table[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b[j - 2] && a.ptr[i - 2] == b[j - 1])
                table[i][j] = least_of(table[i][j], table[i - 2][j - 2] + 1);
        }
    }
    return table[a.len][len];
}

const char *args_nearest(struct str name, const char *const *words)
{
    const char *best = NULL;
    size_t least = name.len < 9 ? name.len / 3 + 1 : 4; /* more edits make another word */

    for (; *words; words++) {
        size_t edits = distance(name, *words);

        if (edits < least) {
            best = *words;
            least = edits;
        }
    }
    return best;
}

static int unknown(const struct args *a, struct str name, struct diag *d)
{
    const char *words[FLAG_COUNT + OPTION_COUNT + 1];
    size_t count = 0;
    const char *best;

    for (size_t i = 0; i < FLAG_COUNT; i++) {
        if (flag_belongs(&flag_table[i], a->command))
            words[count++] = flag_table[i].name;
    }
    for (size_t i = 0; a->takes_options && i < OPTION_COUNT; i++) {
        if (option_table[i].flag[0])
            words[count++] = option_table[i].flag;
    }
    words[count] = NULL;
    if (str_eq_c(name, "no-summary") && flag_belongs(&flag_table[FLAG_SUMMARY_MODE], a->command))
        return diag_set(d, ERR_INVALID,
                        "unknown flag --no-summary: k6 v2 has --summary-mode=disabled instead");
    best = args_nearest(name, words);
    if (best)
        return diag_set(d, ERR_INVALID, "unknown flag --%.*s: did you mean --%s?", STR_ARG(name),
                        best);
    return diag_set(d, ERR_INVALID, "unknown flag --%.*s: see --help", STR_ARG(name));
}

/* --- values ------------------------------------------------------------------------------- */

static void add_value(struct args *a, enum flag_id id, const char *value)
{
    a->values[id] =
        mem_reallocarray((void *)a->values[id], a->value_count[id] + 1, sizeof(const char *));
    a->values[id][a->value_count[id]++] = value;
}

/* Unlike in JSON and in the environment, a bare number is no duration here (CFG-07). */
static int check_unit(const struct option_info *option, const char *value, struct diag *d)
{
    struct str rest = str_of(value);
    struct str duration = option->kind == OPTION_KIND_STAGES ? str_cut(&rest, ':') : rest;
    double number;

    if ((option->kind != OPTION_KIND_DURATION && option->kind != OPTION_KIND_STAGES) ||
        str_eq_c(duration, "0") || !str_to_double(duration, &number))
        return 0;
    return diag_set(d, ERR_INVALID, "'%s': the duration needs a unit, as in %.*ss", value,
                    STR_ARG(duration));
}

static int set(struct args *a, struct found f, const char *name, const char *value, struct diag *d)
{
    int err = 0;

    if (f.flag && f.flag->kind == FLAG_KIND_BOOL && strcmp(value, "true") != 0 &&
        strcmp(value, "false") != 0)
        err = diag_set(d, ERR_INVALID, "expected true or false, got '%s'", value);
    else if (f.flag)
        add_value(a, (enum flag_id)(f.flag - flag_table), value);
    else
        err = check_unit(f.option, value, d);
    if (!f.flag && err == 0)
        err = options_read_text(a->options, f.option, str_of(value), d);
    if (err)
        diag_prefix(d, "flag %s", name);
    return err;
}

/* What a flag without a value means; NULL: it needs one. */
static const char *bare_value(struct found f)
{
    if (is_bool(f))
        return "true";
    return f.option && f.option->id == OPTION_HTTP_DEBUG ? "headers" : NULL;
}

struct cursor {
    int argc;
    char **argv;
    int at;
};

static int parse_long(struct args *a, struct cursor *c, struct diag *d)
{
    const char *arg = c->argv[c->at] + 2;
    struct str rest = str_of(arg);
    struct str name = str_cut(&rest, '=');
    const char *value = rest.ptr;
    struct found f;

    if (!find_long(a, name, &f))
        return unknown(a, name, d);
    if (!value)
        value = bare_value(f);
    if (!value && c->at + 1 < c->argc)
        value = c->argv[++c->at];
    if (!value)
        return diag_set(d, ERR_INVALID, "flag --%.*s needs a value", STR_ARG(name));
    return set(a, f, c->argv[c->at] == value ? c->argv[c->at - 1] : c->argv[c->at], value, d);
}

/* "-qv", "-u10", "-u=10", "-u 10" */
static int parse_short(struct args *a, struct cursor *c, struct diag *d)
{
    const char *arg = c->argv[c->at] + 1;

    for (; *arg; arg++) {
        char name[3] = {'-', *arg, '\0'};
        const char *value = "true";
        struct found f;
        int err;

        if (!find_short(a, *arg, &f))
            return diag_set(d, ERR_INVALID, "unknown flag -%c: see --help", *arg);
        if (!is_bool(f)) {
            value = arg[1] == '=' ? arg + 2 : arg + 1;
            if (!*value && c->at + 1 < c->argc)
                value = c->argv[++c->at];
            else if (!*value)
                return diag_set(d, ERR_INVALID, "flag -%c needs a value", *arg);
        }
        err = set(a, f, name, value, d);
        if (err || !is_bool(f))
            return err;
    }
    return 0;
}

static void read_env(struct args *a)
{
    for (size_t i = 0; i < FLAG_COUNT; i++) {
        const char *value = flag_table[i].env[0] ? getenv(flag_table[i].env) : NULL;

        if (!value || !*value || a->value_count[i] > 0 || !flag_belongs(&flag_table[i], a->command))
            continue;
        if (flag_table[i].kind == FLAG_KIND_BOOL)
            value = strcmp(value, "false") == 0 || strcmp(value, "0") == 0 ? "false" : "true";
        add_value(a, (enum flag_id)i, value);
        a->from_env[i] = true;
    }
}

int args_parse(struct args *a, char command, bool takes_options, int argc, char **argv,
               struct diag *d)
{
    struct cursor c = {argc, argv, 0};
    bool flags_end = false;

    *a = (struct args){.command = command, .takes_options = takes_options};
    a->options = json_object();
    for (; c.at < argc; c.at++) {
        const char *arg = argv[c.at];
        int err = 0;

        if (!flags_end && strcmp(arg, "--") == 0) {
            flags_end = true;
        } else if (!flags_end && strncmp(arg, "--", 2) == 0) {
            err = parse_long(a, &c, d);
        } else if (!flags_end && arg[0] == '-' && arg[1]) {
            err = parse_short(a, &c, d);
        } else {
            a->positional = mem_reallocarray((void *)a->positional, a->positional_count + 1,
                                             sizeof(const char *));
            a->positional[a->positional_count++] = arg;
        }
        if (err) {
            args_deinit(a);
            return err;
        }
    }
    read_env(a);
    return 0;
}

int args_find_command(int argc, char **argv)
{
    struct args any = {.command = 'G'};
    int at = 1;

    for (; at < argc && argv[at][0] == '-' && argv[at][1]; at++) {
        struct str rest = str_of(argv[at]);
        struct str name = str_cut(&rest, '=');
        bool is_long = str_starts_with(name, STR("--"));
        struct found f;

        if (!(is_long ? find_long(&any, str_from_index(name, 2), &f)
                      : name.len == 2 && find_short(&any, name.ptr[1], &f)))
            break;
        if (!is_bool(f) && !rest.ptr)
            at++;
    }
    return at < argc ? at : argc;
}

void args_deinit(struct args *a)
{
    json_decref(a->options);
    for (size_t i = 0; i < FLAG_COUNT; i++)
        mem_free((void *)a->values[i]);
    mem_free((void *)a->positional);
    *a = (struct args){0};
}

bool args_is_set(const struct args *a, enum flag_id id)
{
    return a->value_count[id] > 0;
}

const char *args_text(const struct args *a, enum flag_id id, const char *def)
{
    return a->value_count[id] ? a->values[id][a->value_count[id] - 1] : def;
}

bool args_bool(const struct args *a, enum flag_id id)
{
    return strcmp(args_text(a, id, "false"), "true") == 0;
}

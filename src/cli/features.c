#include "cli/features.h"

#include "base/log.h"
#include "base/str.h"
#include "cli/args.h"
#include "cli/command.h"

static const struct {
    const char *name;
    const char *lifecycle;
    const char *description;
} table[FEATURE_COUNT] = {
#define FEATURE(id, name, lifecycle, description) {name, lifecycle, description},
#include "cli/features.def"
#undef FEATURE
};

static unsigned read_list(struct str list)
{
    unsigned on = 0;

    while (list.len > 0) {
        struct str name = str_trim(str_cut(&list, ','));
        unsigned i = 0;

        while (i < FEATURE_COUNT && !str_eq_c(name, table[i].name))
            i++;
        if (i < FEATURE_COUNT)
            on |= 1u << i;
        else
            log_printf(LOG_ERROR, "unknown feature '%.*s': see gale features", STR_ARG(name));
    }
    return on;
}

unsigned features_read(const struct args *args, const json_t *config)
{
    const json_t *listed = json_object_get(config, "features");
    unsigned on = 0;

    for (size_t i = 0; i < args->value_count[FLAG_FEATURES]; i++)
        on |= read_list(str_of(args->values[FLAG_FEATURES][i]));
    if (args_is_set(args, FLAG_FEATURES))
        return on;
    if (json_is_string(listed))
        return read_list(str_of(json_string_value(listed)));
    for (size_t i = 0; i < json_array_size(listed); i++)
        on |= read_list(str_of(json_string_value(json_array_get(listed, i))));
    return on;
}

/* --- gale features ------------------------------------------------------------------------ */

static void put_json(struct buf *out)
{
    buf_append_c(out, "[\n");
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        buf_printf(out,
                   "  {\n    \"feature\": \"%s\",\n    \"lifecycle\": \"%s\",\n"
                   "    \"description\": \"%s\"\n  }%s\n",
                   table[i].name, table[i].lifecycle, table[i].description,
                   i + 1 < FEATURE_COUNT ? "," : "");
    buf_append_c(out, "]\n");
}

static void put_table(struct buf *out)
{
    buf_printf(out, "%-19s%-14s%s\n", "FEATURE", "LIFECYCLE", "DESCRIPTION");
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        buf_printf(out, "%-19s%-14s%s\n", table[i].name, table[i].lifecycle, table[i].description);
}

int cmd_features(const struct args *args)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    bool ok;

    if (args_bool(args, FLAG_JSON))
        put_json(&out);
    else
        put_table(&out);
    ok = print_out(buf_str(&out));
    buf_deinit(&out);
    return ok ? 0 : 1;
}

#include "output/output.h"

#include "base/err.h"

static const struct {
    const char *name;
    struct output *(*make)(struct str arg, const struct output_context *context, struct diag *d);
} kinds[] = {
    {"json", output_json_new},
    {"csv", output_csv_new},
};

int output_new(struct str spec, const struct output_context *context, struct output **out,
               struct diag *d)
{
    struct str arg = spec;
    struct str name = str_cut(&arg, '=');

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (!str_eq_c(name, kinds[i].name))
            continue;
        *out = kinds[i].make(arg, context, d);
        return *out ? 0 : ERR_INVALID;
    }
    if (str_eq_c(name, "kafka") || str_eq_c(name, "statsd") || str_eq_c(name, "datadog"))
        return diag_set(d, ERR_INVALID, "output '%.*s' was removed from k6 too: use json or csv",
                        STR_ARG(name));
    return diag_set(d, ERR_INVALID, "unknown output '%.*s': there are json and csv", STR_ARG(name));
}

void output_free(struct output *o)
{
    if (o)
        o->ops->free(o);
}

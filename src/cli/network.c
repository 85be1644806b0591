#include "cli/network.h"

#include "cli/args.h"

int network_read(const struct args *args, struct operator_network *out, struct diag *d)
{
    const char *text = args_text(args, FLAG_EMULATE, NULL);
    struct distance_spec spec;
    int err;

    if (!text)
        return 0;
    err = distance_parse(str_of(text), &spec, d);
    if (err) {
        diag_prefix(d, "flag --emulate");
        return err;
    }
    out->network.distance = distance_new(&spec);
    distance_format(&spec, out->distance);
    return 0;
}

void network_deinit(struct operator_network *n)
{
    distance_free(n->network.distance);
    n->network.distance = NULL;
}

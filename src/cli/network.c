#include "cli/network.h"

#include "base/err.h"
#include "cli/args.h"
#include "net/policy.h"

static int read_distance(const struct args *args, struct distance_spec *spec,
                         struct operator_network *out, struct diag *d)
{
    const char *text = args_text(args, FLAG_EMULATE, NULL);
    int err = text ? distance_parse(str_of(text), spec, d) : 0;

    if (err)
        diag_prefix(d, "flag --emulate");
    else if (text)
        distance_format(spec, out->distance);
    return err;
}

static int read_policy(const struct args *args, bool is_fleet, struct operator_network *out,
                       struct diag *d)
{
    const char *path = args_text(args, FLAG_POLICY, NULL);
    int err = path ? policy_file_read(path, &out->policy, &out->limits, d) : 0;

    if (!path && is_fleet)
        out->policy = policy_new("(default of a fleet)");
    out->network.policy = out->policy;
    return err;
}

/* A line that the policy limits is a distance of nothing with that rate. */
int network_read(const struct args *args, bool is_fleet, struct operator_network *out,
                 struct diag *d)
{
    struct distance_spec spec = {0, 0, 0, 0};
    int err = read_distance(args, &spec, out, d);

    if (err == 0)
        err = read_policy(args, is_fleet, out, d);
    if (err)
        return err;
    if (out->limits.bandwidth && (spec.rate == 0 || out->limits.bandwidth < spec.rate))
        spec.rate = out->limits.bandwidth;
    if (out->distance[0] || spec.rate)
        out->network.distance = distance_new(&spec);
    return 0;
}

void network_deinit(struct operator_network *n)
{
    distance_free(n->network.distance);
    policy_free(n->policy);
    n->network = (struct network){NULL, NULL};
    n->policy = NULL;
}

int network_check_load(const struct operator_network *n, uint64_t vus, double rate, struct diag *d)
{
    const struct policy_limits *limits = &n->limits;

    if (limits->max_vus && vus > limits->max_vus)
        return diag_set(d, ERR_POLICY,
                        "the policy allows %llu VUs here and the test needs %llu: use fewer, or "
                        "raise maxVUs in it",
                        (unsigned long long)limits->max_vus, (unsigned long long)vus);
    if (limits->max_rate > 0 && rate > limits->max_rate)
        return diag_set(d, ERR_POLICY,
                        "the policy allows %.6g iterations per second here and the test needs "
                        "%.6g: use fewer, or raise maxRate in it",
                        limits->max_rate, rate);
    return 0;
}

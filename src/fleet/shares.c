/* The operator's --regions, and the distribution in a script's options. */
#include <math.h>

#include "base/err.h"
#include "base/gcd.h"
#include "base/mem.h"
#include "fleet/planner.h"

#define MILLION UINT64_C(1000000)

enum { REGION_MAX_LENGTH = 64 };

/* Shares in lowest terms: a level of a segment deals that many numbers before it repeats. */
#define MAX_CYCLE MILLION

static const char *const kind_forms[] = {
    [SHARE_WEIGHT] = "a number",
    [SHARE_PERCENT] = "a percentage",
    [SHARE_VUS] = "a number of VUs",
    [SHARE_EQUAL] = "no share",
};

/* --- parsing ------------------------------------------------------------------------------ */

static bool is_region_name(struct str name)
{
    if (name.len == 0 || name.len > REGION_MAX_LENGTH)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

/* "12.345" in millionths. */
static bool parse_millionths(struct str text, uint64_t *out)
{
    struct str whole = str_cut(&text, '.');
    uint64_t integer;
    uint64_t fraction = 0;

    if (!str_to_u64(whole, &integer) || integer > 1000 * MILLION || text.len > 6)
        return false;
    if (text.ptr && !str_to_u64(text, &fraction))
        return false;
    for (size_t i = text.len; i < 6; i++)
        fraction *= 10;
    *out = integer * MILLION + fraction;
    return *out > 0;
}

static bool parse_amount(struct str text, enum share_kind *kind, uint64_t *out)
{
    if (str_ends_with(text, STR("%"))) {
        *kind = SHARE_PERCENT;
        return parse_millionths(str_trim(str_slice(text, 0, text.len - 1)), out) &&
               *out <= 100 * MILLION;
    }
    if (text.len > 3 && str_eq_nocase(str_from_index(text, text.len - 3), STR("vus"))) {
        *kind = SHARE_VUS;
        return str_to_u64(str_trim(str_slice(text, 0, text.len - 3)), out) && *out > 0 &&
               *out <= 100 * MILLION;
    }
    *kind = SHARE_WEIGHT;
    return parse_millionths(text, out);
}

static int parse_entry(struct str entry, enum share_kind *kind, struct region_share *out,
                       struct diag *d)
{
    struct str rest = entry;
    struct str share = str_trim(str_cut(&rest, '/'));
    uint64_t agents = 0;
    struct str name;

    if (rest.ptr &&
        (!str_to_u64(str_trim(rest), &agents) || agents == 0 || agents > PLANNER_MAX_AGENTS))
        return diag_set(d, ERR_INVALID,
                        "regions: '%.*s': after the / stands how many agents to use, 1 to %d",
                        STR_ARG(entry), PLANNER_MAX_AGENTS);
    name = str_trim(str_cut(&share, '='));
    if (!is_region_name(name))
        return diag_set(d, ERR_INVALID,
                        "regions: '%.*s' names no region: write NAME, NAME=50%%, NAME=3 or "
                        "NAME=20vus with commas between, names of letters, digits, '-', '_' and "
                        "'.' (%d at most)",
                        STR_ARG(entry), REGION_MAX_LENGTH);
    *kind = SHARE_EQUAL;
    out->weight = MILLION;
    if (share.ptr && !parse_amount(str_trim(share), kind, &out->weight))
        return diag_set(d, ERR_INVALID,
                        "regions: '%.*s' is no share: write a percentage (33.3%%), a number in "
                        "proportion to the others' (3 or 0.5), or VUs at the peak (20vus), above "
                        "0 and with 6 digits after the point at most",
                        STR_ARG(entry));
    out->region = mem_strndup(name.ptr, name.len);
    out->agents = (uint32_t)agents;
    return 0;
}

/* --- what all must have in common --------------------------------------------------------- */

static struct region_share *find(const struct shares *s, const char *region)
{
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->list[i].region, region) == 0)
            return &s->list[i];
    }
    return NULL;
}

/* Takes what `share` owns. */
static void add(struct shares *s, struct region_share share)
{
    s->list = mem_reallocarray(s->list, s->count + 1, sizeof *s->list);
    s->list[s->count++] = share;
}

static int check_sum(const struct shares *s, struct diag *d)
{
    uint64_t common = 0;
    uint64_t sum = 0;

    for (size_t i = 0; i < s->count; i++) {
        common = gcd(common, s->list[i].weight);
        sum += s->list[i].weight;
    }
    if (s->kind == SHARE_PERCENT && sum != 100 * MILLION)
        return diag_set(d, ERR_INVALID,
                        "regions: the percentages add up to %.8g: they must add up to 100 (or "
                        "leave the %% out: numbers are in proportion)",
                        (double)sum / 1e6);
    if (common > 0 && sum / common > MAX_CYCLE)
        return diag_set(d, ERR_INVALID,
                        "regions: the shares in lowest terms add up to %llu, more than %llu: use "
                        "rounder ones",
                        (unsigned long long)(sum / common), (unsigned long long)MAX_CYCLE);
    return 0;
}

static int add_entry(struct shares *s, struct str entry, struct diag *d)
{
    struct region_share share = {NULL, 0, 0};
    enum share_kind kind = SHARE_EQUAL;
    int err = parse_entry(entry, &kind, &share, d);

    if (err || !share.region)
        return err;
    if (find(s, share.region))
        err = diag_set(d, ERR_INVALID, "regions: '%s' is there twice", share.region);
    else if (s->count == PLANNER_MAX_REGIONS)
        err = diag_set(d, ERR_INVALID, "regions: more than %d", PLANNER_MAX_REGIONS);
    else if (s->count > 0 && kind != s->kind)
        err = diag_set(d, ERR_INVALID,
                       "regions: '%.*s' has %s, '%s' has %s: give all of them the same kind",
                       STR_ARG(entry), kind_forms[kind], s->list[0].region, kind_forms[s->kind]);
    else if (s->per_region && kind != SHARE_EQUAL)
        err = diag_set(d, ERR_INVALID,
                       "regions: '%.*s' has %s, but --load per-region runs the script's whole load "
                       "in each region: name the regions alone, or use --load total",
                       STR_ARG(entry), kind_forms[kind]);
    if (err) {
        mem_free(share.region);
        return err;
    }
    s->kind = kind;
    add(s, share);
    return 0;
}

int shares_parse(struct str text, bool per_region, struct shares *out, struct diag *d)
{
    struct shares s = {.kind = SHARE_EQUAL, .per_region = per_region};
    struct str rest = text;
    int err = 0;

    while (rest.ptr && err == 0)
        err = add_entry(&s, str_trim(str_cut(&rest, ',')), d);
    if (err == 0)
        err = check_sum(&s, d);
    if (err)
        shares_deinit(&s);
    else
        *out = s;
    return err;
}

void shares_deinit(struct shares *s)
{
    for (size_t i = 0; i < s->count; i++)
        mem_free(s->list[i].region);
    mem_free(s->list);
    *s = (struct shares){.kind = SHARE_EQUAL};
}

/* --- options.cloud.distribution ------------------------------------------------------------ */

/* The load zones that scripts for k6's cloud name, and AWS' region at that place. */
static const struct {
    const char *zone;
    const char *region;
} zones[] = {
    {"amazon:us:ashburn", "us-east-1"},        {"amazon:us:columbus", "us-east-2"},
    {"amazon:us:palo alto", "us-west-1"},      {"amazon:us:portland", "us-west-2"},
    {"amazon:ca:montreal", "ca-central-1"},    {"amazon:br:sao paulo", "sa-east-1"},
    {"amazon:ie:dublin", "eu-west-1"},         {"amazon:gb:london", "eu-west-2"},
    {"amazon:fr:paris", "eu-west-3"},          {"amazon:de:frankfurt", "eu-central-1"},
    {"amazon:se:stockholm", "eu-north-1"},     {"amazon:it:milan", "eu-south-1"},
    {"amazon:jp:tokyo", "ap-northeast-1"},     {"amazon:kr:seoul", "ap-northeast-2"},
    {"amazon:jp:osaka", "ap-northeast-3"},     {"amazon:in:mumbai", "ap-south-1"},
    {"amazon:sg:singapore", "ap-southeast-1"}, {"amazon:au:sydney", "ap-southeast-2"},
    {"amazon:cn:hong kong", "ap-east-1"},      {"amazon:bh:bahrain", "me-south-1"},
    {"amazon:za:cape town", "af-south-1"},
};

static const char *region_of_zone(const char *zone)
{
    for (size_t i = 0; i < COUNT_OF(zones); i++) {
        if (strcmp(zone, zones[i].zone) == 0)
            return zones[i].region;
    }
    return is_region_name(str_of(zone)) ? zone : NULL;
}

static int add_zone(struct shares *s, const char *label, const json_t *value, struct diag *d)
{
    const char *zone = json_string_value(json_object_get(value, "loadZone"));
    double percent = json_number_value(json_object_get(value, "percent"));
    const char *region = zone ? region_of_zone(zone) : NULL;
    struct region_share *there;
    uint64_t weight;

    if (!zone)
        return diag_set(d, ERR_INVALID,
                        "cloud.distribution: '%s' has no loadZone: write {loadZone: "
                        "'eu-central-1', percent: 50}",
                        label);
    if (!region)
        return diag_set(d, ERR_INVALID,
                        "cloud.distribution: '%s': nothing is known of load zone '%s': name one of "
                        "the fleet's regions",
                        label, zone);
    if (!(percent > 0 && percent <= 100))
        return diag_set(d, ERR_INVALID,
                        "cloud.distribution: '%s': percent must be above 0 and at most 100", label);
    weight = (uint64_t)llround(percent * 1e6);
    there = find(s, region);
    if (there) {
        there->weight += weight;
        return 0;
    }
    if (s->count == PLANNER_MAX_REGIONS)
        return diag_set(d, ERR_INVALID, "cloud.distribution: more than %d regions",
                        PLANNER_MAX_REGIONS);
    add(s, (struct region_share){mem_strndup(region, strlen(region)), weight, 0});
    return 0;
}

int shares_from_distribution(const json_t *distribution, struct shares *out, struct diag *d)
{
    struct shares s = {.kind = SHARE_PERCENT};
    const char *label;
    json_t *value;
    int err = 0;

    if (distribution && !json_is_null(distribution) && !json_is_object(distribution))
        return diag_set(d, ERR_INVALID,
                        "cloud.distribution: expected an object, as in {label: {loadZone: "
                        "'eu-central-1', percent: 100}}");
    json_object_foreach((json_t *)(uintptr_t)distribution, label, value)
    {
        err = add_zone(&s, label, value, d);
        if (err)
            break;
    }
    if (err == 0 && s.count == 0)
        s.kind = SHARE_EQUAL;
    if (err == 0) {
        err = check_sum(&s, d);
        if (err)
            diag_prefix(d, "cloud.distribution");
    }
    if (err)
        shares_deinit(&s);
    else
        *out = s;
    return err;
}

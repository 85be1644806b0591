#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/planner.h"
#include "support/test.h"

static struct shares shares;

static int parse(const char *text, bool per_region)
{
    return shares_parse(str_of(text), per_region, &shares, NULL);
}

TEST(shares_parse_takes_every_form)
{
    CHECK_EQ(parse("us-east-1=33.3%, eu-central-1 = 66.7 %", false), 0);
    CHECK_EQ(shares.kind, SHARE_PERCENT);
    CHECK_EQ(shares.count, 2);
    CHECK_TEXT(shares.list[0].region, "us-east-1");
    CHECK_EQ(shares.list[0].weight, 33300000);
    CHECK_TEXT(shares.list[1].region, "eu-central-1");
    CHECK_EQ(shares.list[1].weight, 66700000);
    shares_deinit(&shares);
    CHECK_EQ(parse("a=3/2,b=0.5", false), 0);
    CHECK_EQ(shares.kind, SHARE_WEIGHT);
    CHECK_EQ(shares.list[0].agents, 2);
    CHECK_EQ(shares.list[1].agents, 0);
    CHECK_EQ(shares.list[1].weight, 500000);
    shares_deinit(&shares);
    CHECK_EQ(parse("a=50vus/3,b=20VUs", false), 0);
    CHECK_EQ(shares.kind, SHARE_VUS);
    CHECK_EQ(shares.list[0].weight, 50);
    CHECK_EQ(shares.list[1].weight, 20);
    shares_deinit(&shares);
    CHECK_EQ(parse("a,b/4,c", true), 0);
    CHECK_EQ(shares.kind, SHARE_EQUAL);
    CHECK(shares.per_region);
    CHECK_EQ(shares.count, 3);
    CHECK_EQ(shares.list[1].agents, 4);
    shares_deinit(&shares);
}

static void refused(const char *text, bool per_region, const char *why)
{
    struct diag d = DIAG_INIT;

    CHECK_EQ(shares_parse(str_of(text), per_region, &shares, &d), ERR_INVALID);
    if (!strstr(d.message, why))
        CHECK_TEXT(d.message, why);
    diag_deinit(&d);
}

TEST(shares_parse_says_what_is_wrong)
{
    struct buf many = BUF_INIT(SIZE_MAX);

    refused("", false, "'' names no region");
    refused("a,", false, "'' names no region");
    refused("=5", false, "'=5' names no region");
    refused("a b=5", false, "'a b=5' names no region");
    refused("\xc3\xa9=5", false, "names no region");
    refused("a=", false, "'a=' is no share");
    refused("a=x", false, "'a=x' is no share");
    refused("a=0", false, "'a=0' is no share");
    refused("a=-1", false, "is no share");
    refused("a=1.1234567", false, "6 digits");
    refused("a=1e3", false, "is no share");
    refused("a=101%", false, "is no share");
    refused("a=%", false, "is no share");
    refused("a=vus", false, "is no share");
    refused("a=1.5vus", false, "is no share");
    refused("a=0vus", false, "is no share");
    refused("a=1/0", false, "'a=1/0': after the / stands how many agents");
    refused("a=1/x", false, "after the / stands");
    refused("a/20000", false, "1 to 10000");
    refused("a=1,a=2", false, "'a' is there twice");
    refused("a=1,b=50%", false, "'b=50%' has a percentage, 'a' has a number");
    refused("a=1vus,b", false, "'b' has no share, 'a' has a number of VUs");
    refused("a=50%,b=49.9%", false, "add up to 99.9: they must add up to 100");
    refused("a=50%,b=50%,c=0.1%", false, "add up to 100.1");
    refused("a=50%,b=50%", true, "--load per-region runs the script's whole load");
    refused("a=1.000001,b=2", false, "use rounder ones");
    for (int i = 0; i < PLANNER_MAX_REGIONS + 1; i++)
        buf_printf(&many, "%sr%d", i ? "," : "", i);
    refused(many.data, false, "more than 100");
    buf_deinit(&many);
}

static int from_json(const char *text, struct diag *d)
{
    json_t *json = json_loads(text, 0, NULL);
    int err = shares_from_distribution(json, &shares, d);

    CHECK(json != NULL);
    json_decref(json);
    return err;
}

TEST(shares_from_distribution_knows_load_zones)
{
    CHECK_EQ(from_json("{\"x\": {\"loadZone\": \"amazon:us:ashburn\", \"percent\": 60},"
                       "\"y\": {\"loadZone\": \"ap-southeast-2\", \"percent\": 25.5},"
                       "\"z\": {\"loadZone\": \"us-east-1\", \"percent\": 14.5}}",
                       NULL),
             0);
    CHECK_EQ(shares.kind, SHARE_PERCENT);
    CHECK_EQ(shares.count, 2);
    CHECK_TEXT(shares.list[0].region, "us-east-1");
    CHECK_EQ(shares.list[0].weight, 74500000);
    CHECK_TEXT(shares.list[1].region, "ap-southeast-2");
    shares_deinit(&shares);
    CHECK_EQ(shares_from_distribution(NULL, &shares, NULL), 0);
    CHECK_EQ(shares.count, 0);
    CHECK_EQ(shares.kind, SHARE_EQUAL);
    CHECK_EQ(from_json("{}", NULL), 0);
    CHECK_EQ(shares.count, 0);
}

static void refused_json(const char *text, const char *why)
{
    struct diag d = DIAG_INIT;

    CHECK_EQ(from_json(text, &d), ERR_INVALID);
    if (!strstr(d.message, why))
        CHECK_TEXT(d.message, why);
    diag_deinit(&d);
}

TEST(shares_from_distribution_says_what_is_wrong)
{
    refused_json("[]", "expected an object");
    refused_json("{\"x\": 5}", "'x' has no loadZone");
    refused_json("{\"x\": {\"loadZone\": \"amazon:xx:mars\", \"percent\": 100}}",
                 "'x': nothing is known of load zone 'amazon:xx:mars'");
    refused_json("{\"x\": {\"loadZone\": \"a\"}}", "'x': percent must be above 0");
    refused_json("{\"x\": {\"loadZone\": \"a\", \"percent\": 101}}", "at most 100");
    refused_json("{\"x\": {\"loadZone\": \"a\", \"percent\": 99}}", "must add up to 100");
}

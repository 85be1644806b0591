/* The outputs json and csv: lines against those that k6 wrote, files, compression, full disks. */
#include "output/output.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "metrics/shard.h"
#include "metrics/threshold.h"
#include "metrics/totals.h"
#include "metrics/window.h"
#include "support/test.h"

/* 2026-11-23T20:13:52.148173338Z */
#define WHEN INT64_C(1795464832148173338)

static const char *const columns[] = {"check",       "error",   "error_code", "expected_response",
                                      "group",       "method",  "name",       "proto",
                                      "scenario",    "service", "status",     "subproto",
                                      "tls_version", "url",     NULL};

struct fixture {
    char folder[32];
    struct shard *shard;
    struct totals *totals;
    struct threshold_set thresholds;
    struct output_context context;
};

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static void threshold(struct fixture *f, const char *selector, const char *text)
{
    struct threshold_spec spec = {.text = str_of(text)};

    CHECK_EQ(threshold_add(&f->thresholds, f->totals, str_of(selector), &spec, NULL), 0);
}

static void begin(struct fixture *f)
{
    struct submetric *sub;

    *f = (struct fixture){.folder = "/tmp/gale-output-XXXXXX"};
    CHECK(mkdtemp(f->folder));
    f->shard = shard_new(&(struct shard_options){.keep_samples = true});
    f->totals = totals_new();
    for (uint32_t i = 0; i < METRIC_BUILTIN_COUNT; i++)
        totals_metric(f->totals, shard_registry(f->shard)->metrics[i]);
    threshold(f, "http_req_duration", "p(95)<500");
    threshold(f, "http_req_duration", "avg<1");
    threshold(f, "http_req_duration{scenario:buy}", "max<300");
    CHECK_EQ(totals_add_submetric(f->totals, totals_find(f->totals, STR("http_req_duration")),
                                  STR("expected_response:true"), &sub, NULL),
             0);
    f->context = (struct output_context){
        .totals = f->totals, .thresholds = &f->thresholds, .system_tags = columns, .env = no_env};
}

static void end(struct fixture *f)
{
    threshold_set_deinit(&f->thresholds);
    totals_free(f->totals);
    shard_free(f->shard);
    rmdir(f->folder);
}

static tagset_id tags(struct fixture *f, const char *const *pairs)
{
    tag_id ids[16];
    size_t count = 0;

    for (; *pairs; pairs += 2)
        ids[count++] = shard_tag(f->shard, str_of(pairs[0]), str_of(pairs[1]));
    return shard_tagset(f->shard, 0, ids, count);
}

/* The samples of the reference's files, in their order. */
static void add_samples(struct fixture *f)
{
    static const char *const request[] = {"method",
                                          "POST",
                                          "url",
                                          "http://127.0.0.1:8085/post",
                                          "name",
                                          "http://127.0.0.1:8085/post",
                                          "group",
                                          "::cart::pay",
                                          "proto",
                                          "HTTP/1.1",
                                          "status",
                                          "200",
                                          "expected_response",
                                          "true",
                                          "scenario",
                                          "buy",
                                          "kind",
                                          "money",
                                          NULL};
    static const char *const check[] = {"check",    "is, \"200\"", "group", "",
                                        "scenario", "browse",      NULL};
    tagset_id set = tags(f, request);
    tag_id meta;

    shard_add(f->shard, METRIC_HTTP_REQS, set, 1, WHEN);
    shard_add(f->shard, METRIC_HTTP_REQ_DURATION, set, 27.410263, WHEN);
    shard_add(f->shard, METRIC_VUS, 0, 2, WHEN + 1000000000);
    meta = shard_tag(f->shard, STR("vu"), STR("7"));
    shard_set_meta(f->shard, &meta, 1);
    shard_add(f->shard, METRIC_CHECKS, tags(f, check), 0, WHEN);
}

static int feed(struct fixture *f, struct output *o, struct diag *d)
{
    struct window *w;
    int err;

    add_samples(f);
    w = shard_take_window(f->shard);
    o->ops->window(o, w);
    window_free(w);
    err = o->ops->stop(o, d);
    output_free(o);
    return err;
}

/* Reads plain and compressed files alike, and removes them. */
static char *take_file(const char *path)
{
    gzFile file = gzopen(path, "rb");
    char *text = mem_zalloc(16384);

    CHECK(file);
    CHECK(gzread(file, text, 16383) >= 0);
    gzclose(file);
    unlink(path);
    return text;
}

static char *written(const char *kind, const char *name, const char *want_description)
{
    struct fixture f;
    struct output *o = NULL;
    char *path;
    char *spec;
    char *text;

    begin(&f);
    path = mem_printf("%s/%s", f.folder, name);
    spec = mem_printf("%s=%s", kind, path);
    CHECK_EQ(output_new(str_of(spec), &f.context, &o, NULL), 0);
    CHECK(o->needs_samples);
    CHECK(strncmp(o->description, want_description, strlen(want_description)) == 0);
    CHECK_EQ(feed(&f, o, NULL), 0);
    text = take_file(path);
    mem_free(path);
    mem_free(spec);
    end(&f);
    return text;
}

static const char json_lines[] =
    "{\"type\":\"Metric\",\"data\":{\"name\":\"http_reqs\",\"type\":\"counter\",\"contains\":"
    "\"default\",\"thresholds\":[],\"submetrics\":null},\"metric\":\"http_reqs\"}\n"
    "{\"metric\":\"http_reqs\",\"type\":\"Point\",\"data\":{\"time\":"
    "\"2026-11-23T20:13:52.148173338Z\",\"value\":1,\"tags\":{\"expected_response\":\"true\","
    "\"group\":\"::cart::pay\",\"kind\":\"money\",\"method\":\"POST\",\"name\":"
    "\"http://127.0.0.1:8085/post\",\"proto\":\"HTTP/1.1\",\"scenario\":\"buy\",\"status\":\"200\","
    "\"url\":\"http://127.0.0.1:8085/post\"}}}\n"
    "{\"type\":\"Metric\",\"data\":{\"name\":\"http_req_duration\",\"type\":\"trend\",\"contains\":"
    "\"time\",\"thresholds\":[\"p(95)<500\",\"avg<1\"],\"submetrics\":[{\"name\":"
    "\"http_req_duration{scenario:buy}\",\"suffix\":\"scenario:buy\",\"tags\":{\"scenario\":"
    "\"buy\"}},{\"name\":\"http_req_duration{expected_response:true}\",\"suffix\":"
    "\"expected_response:true\",\"tags\":{\"expected_response\":\"true\"}}]},\"metric\":"
    "\"http_req_duration\"}\n"
    "{\"metric\":\"http_req_duration\",\"type\":\"Point\",\"data\":{\"time\":"
    "\"2026-11-23T20:13:52.148173338Z\",\"value\":27.410263,\"tags\":{\"expected_response\":"
    "\"true\",\"group\":\"::cart::pay\",\"kind\":\"money\",\"method\":\"POST\",\"name\":"
    "\"http://127.0.0.1:8085/post\",\"proto\":\"HTTP/1.1\",\"scenario\":\"buy\",\"status\":\"200\","
    "\"url\":\"http://127.0.0.1:8085/post\"}}}\n"
    "{\"type\":\"Metric\",\"data\":{\"name\":\"vus\",\"type\":\"gauge\",\"contains\":\"default\","
    "\"thresholds\":[],\"submetrics\":null},\"metric\":\"vus\"}\n"
    "{\"metric\":\"vus\",\"type\":\"Point\",\"data\":{\"time\":\"2026-11-23T20:13:53.148173338Z\","
    "\"value\":2,\"tags\":{}}}\n"
    "{\"type\":\"Metric\",\"data\":{\"name\":\"checks\",\"type\":\"rate\",\"contains\":\"default\","
    "\"thresholds\":[],\"submetrics\":null},\"metric\":\"checks\"}\n"
    "{\"metric\":\"checks\",\"type\":\"Point\",\"data\":{\"time\":"
    "\"2026-11-23T20:13:52.148173338Z\",\"value\":0,\"tags\":{\"check\":\"is, \\\"200\\\"\","
    "\"group\":\"\",\"scenario\":\"browse\"},\"metadata\":{\"vu\":\"7\"}}}\n";

TEST(output_json_lines_are_k6s)
{
    char *text = written("json", "samples.json", "json (/tmp/");

    CHECK_TEXT(text, json_lines);
    mem_free(text);
}

TEST(output_json_is_compressed_by_its_name)
{
    char *text = written("json", "samples.json.gz", "json (");

    CHECK_TEXT(text, json_lines);
    mem_free(text);
}

static const char csv_lines[] =
    "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,"
    "proto,scenario,service,status,subproto,tls_version,url,extra_tags,metadata\n"
    "http_reqs,1795464832,1.000000,,,,true,::cart::pay,POST,http://127.0.0.1:8085/post,HTTP/"
    "1.1,buy,"
    ",200,,,http://127.0.0.1:8085/post,kind=money,\n"
    "http_req_duration,1795464832,27.410263,,,,true,::cart::pay,POST,http://127.0.0.1:8085/post,"
    "HTTP/1.1,buy,,200,,,http://127.0.0.1:8085/post,kind=money,\n"
    "vus,1795464833,2.000000,,,,,,,,,,,,,,,,\n"
    "checks,1795464832,0.000000,\"is, \"\"200\"\"\",,,,,,,,browse,,,,,,,vu=7\n";

TEST(output_csv_lines_are_k6s)
{
    char *text = written("csv", "samples.csv", "csv (/tmp/");

    CHECK_TEXT(text, csv_lines);
    mem_free(text);
}

TEST(output_csv_is_compressed_by_its_name)
{
    char *text = written("csv", "samples.csv.gz", "csv (");

    CHECK_TEXT(text, csv_lines);
    mem_free(text);
}

static void check_csv_time(const char *format, const char *want)
{
    struct fixture f;
    struct output *o = NULL;
    char *spec;
    char *path;
    char *text;
    char *row;

    begin(&f);
    path = mem_printf("%s/x.csv", f.folder);
    spec = mem_printf("csv=fileName=%s,timeFormat=%s,saveInterval=2s", path, format);
    CHECK_EQ(output_new(str_of(spec), &f.context, &o, NULL), 0);
    CHECK_EQ(feed(&f, o, NULL), 0);
    text = take_file(path);
    row = strchr(text, '\n') + 1;
    *strstr(row, ",1.000000") = '\0';
    CHECK_TEXT(row + strlen("http_reqs,"), want);
    mem_free(text);
    mem_free(path);
    mem_free(spec);
    end(&f);
}

TEST(output_csv_time_formats)
{
    check_csv_time("unix", "1795464832");
    check_csv_time("unix_milli", "1795464832148");
    check_csv_time("unix_micro", "1795464832148173");
    check_csv_time("unix_nano", "1795464832148173338");
    check_csv_time("rfc3339", "2026-11-23T20:13:52Z");
    check_csv_time("rfc3339_nano", "2026-11-23T20:13:52.148173338Z");
}

static char env_file[64];

static const char *csv_env(const char *name)
{
    if (strcmp(name, "K6_CSV_FILENAME") == 0)
        return env_file;
    return strcmp(name, "K6_CSV_TIME_FORMAT") == 0 ? "unix_nano" : NULL;
}

TEST(output_csv_reads_the_environment)
{
    struct fixture f;
    struct output *o = NULL;
    char *text;

    begin(&f);
    f.context.env = csv_env;
    snprintf(env_file, sizeof env_file, "%s/env.csv", f.folder);
    CHECK_EQ(output_new(STR("csv"), &f.context, &o, NULL), 0);
    CHECK_EQ(feed(&f, o, NULL), 0);
    text = take_file(env_file);
    CHECK(strstr(text, "http_reqs,1795464832148173338,"));
    mem_free(text);
    end(&f);
}

static void check_refused(const char *spec, const char *part)
{
    struct fixture f;
    struct output *o = NULL;
    struct diag d = DIAG_INIT;

    begin(&f);
    CHECK_EQ(output_new(str_of(spec), &f.context, &o, &d), ERR_INVALID);
    CHECK(strstr(d.message, part));
    diag_deinit(&d);
    end(&f);
}

TEST(output_wrong_specs_say_what_is_right)
{
    check_refused("pigeon=x", "there are json, csv");
    check_refused("kafka", "there is no output 'kafka'");
    check_refused("csv=fileName=x.csv,timeFormat=noon", "rfc3339_nano");
    check_refused("csv=colour=red", "'colour'");
    check_refused("json=/no/such/folder/x.json", "/no/such/folder/x.json");
}

TEST(output_full_disk_is_told_at_the_end)
{
    static const char *const specs[] = {"json=/dev/full", "csv=/dev/full"};

    for (size_t i = 0; i < COUNT_OF(specs); i++) {
        struct fixture f;
        struct output *o = NULL;
        struct diag d = DIAG_INIT;

        begin(&f);
        CHECK_EQ(output_new(str_of(specs[i]), &f.context, &o, NULL), 0);
        CHECK(feed(&f, o, &d) < 0);
        CHECK(strstr(d.message, "/dev/full"));
        CHECK(strstr(d.message, "space"));
        diag_deinit(&d);
        end(&f);
    }
}

/* A row, more than once: how often it is in the file is what the output says of it. */
static int feed_often(struct fixture *f, struct output *o, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        struct window *w;

        add_samples(f);
        w = shard_take_window(f->shard);
        o->ops->window(o, w);
        window_free(w);
    }
    return 0;
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;

    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    CHECK(!*text || text[strlen(text) - 1] == '\n'); /* no half row */
    return lines;
}

static void limit_files(rlim_t size)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit fails with EFBIG then */
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* There is no room for a while. */
static void check_room_comes_back(const char *name)
{
    struct fixture f;
    struct output *o = NULL;
    struct diag d = DIAG_INIT;
    char want[80];
    char *path;
    char *spec;
    char *text;
    size_t lines;

    begin(&f);
    path = mem_printf("%s/%s", f.folder, name);
    spec = mem_printf("csv=%s", path);
    CHECK_EQ(output_new(str_of(spec), &f.context, &o, NULL), 0);
    feed_often(&f, o, 2);
    limit_files(1100);
    feed_often(&f, o, 5);
    limit_files(RLIM_INFINITY);
    feed_often(&f, o, 3);
    CHECK_EQ(o->ops->stop(o, &d), -EFBIG);
    output_free(o);
    text = take_file(path);
    lines = count_lines(text) - 1; /* a heading and four rows each time */
    CHECK(lines >= 20 && lines < 40 && lines % 4 == 0);
    snprintf(want, sizeof want, "%zu of 40 samples could not be written", 40 - lines);
    CHECK(strstr(d.message, want));
    diag_deinit(&d);
    mem_free(path);
    mem_free(spec);
    mem_free(text);
    end(&f);
}

/* There is none at the beginning: headings come when there is. */
static void check_late_room(const char *kind, const char *name, const char *heading)
{
    struct fixture f;
    struct output *o = NULL;
    char *path;
    char *spec;
    char *text;

    begin(&f);
    path = mem_printf("%s/%s", f.folder, name);
    spec = mem_printf("%s=%s", kind, path);
    CHECK_EQ(output_new(str_of(spec), &f.context, &o, NULL), 0);
    limit_files(20);
    feed_often(&f, o, 2);
    limit_files(RLIM_INFINITY);
    feed_often(&f, o, 1);
    CHECK_EQ(o->ops->stop(o, NULL), -EFBIG);
    output_free(o);
    text = take_file(path);
    CHECK(strncmp(text, heading, strlen(heading)) == 0);
    mem_free(path);
    mem_free(spec);
    mem_free(text);
    end(&f);
}

TEST(output_files_begin_when_there_is_room)
{
    check_late_room("csv", "rows.csv", "metric_name,timestamp");
    check_late_room("json", "rows.json", "{\"type\":\"Metric\"");
}

TEST(output_files_go_on_when_there_is_room_again)
{
    check_room_comes_back("rows.csv");
    check_room_comes_back("rows.csv.gz");
}

TEST(output_full_disk_under_compression)
{
    struct fixture f;
    struct output *o = NULL;
    struct diag d = DIAG_INIT;
    char *path;
    char *spec;

    begin(&f);
    path = mem_printf("%s/full.gz", f.folder);
    CHECK_EQ(symlink("/dev/full", path), 0);
    spec = mem_printf("json=%s", path);
    CHECK_EQ(output_new(str_of(spec), &f.context, &o, NULL), 0);
    CHECK(feed(&f, o, &d) < 0);
    CHECK(strstr(d.message, "full.gz"));
    diag_deinit(&d);
    unlink(path);
    mem_free(path);
    mem_free(spec);
    end(&f);
}

#include "cli/run_fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/archive.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/fleet_client.h"
#include "cli/fleet_progress.h"
#include "cli/fleet_reports.h"
#include "cli/fleet_settings.h"
#include "cli/load.h"
#include "cli/overlay.h"
#include "cli/service.h"
#include "engine/run.h"
#include "fleet/planner.h"
#include "fleet/scoring.h"
#include "loop/fiber.h"
#include "loop/offload.h"
#include "metrics/totals.h"
#include "output/export.h"
#include "proto/form.h"
#include "script/files.h"
#include "script/script.h"

struct fleet_command {
    struct service service;
    const struct args *args;
    struct test test;
    struct fleet_client *client;
    struct fleet_reports *reports;
    struct overlay *overlay; /* NULL: --quiet */
    struct fleet_progress progress;
    char *archive; /* owned */
    size_t archive_len;
    char *run;     /* the id; owned; NULL: not started */
    json_t *ended; /* the run as it was at its end */
    bool is_stopping;
    int exit_code;
};

static void note_error(struct fleet_command *c, int exit_code, struct diag *d)
{
    load_fail(0, d);
    if (c->exit_code == 0)
        c->exit_code = exit_code;
}

/* --- before it starts ----------------------------------------------------------------------- */

/* Flags whose work agents do, as their operators say: better refused than passed over. */
static int check_local_flags(const struct args *args, struct diag *d)
{
    if (args_is_set(args, FLAG_SECRET_SOURCE) && !args->from_env[FLAG_SECRET_SOURCE])
        return diag_set(d, ERR_INVALID,
                        "flag --secret-source: not with --fleet: secrets stay where they are used: "
                        "gale agent --secret-source ... gives them to the scripts that run there");
    /* Whoever runs an agent says where it may connect to, besides the targets. */
    if (args_is_set(args, FLAG_TRACES_OUTPUT) && !args->from_env[FLAG_TRACES_OUTPUT])
        return diag_set(d, ERR_INVALID,
                        "flag --traces-output: not with --fleet: agents send the spans, each to "
                        "where its own flag says: gale agent --traces-output otel=HOST:PORT");
    return 0;
}

/* What a local run would refuse is refused here, with the same words. */
static int check_test(struct fleet_command *c)
{
    const struct options *options = &c->test.options;
    struct totals *totals = totals_new();
    struct threshold_set thresholds = {0};
    struct summary_options summary = {0};
    struct shares shares = {0};
    struct diag d = DIAG_INIT;
    const char *load = args_text(c->args, FLAG_LOAD, "total");
    const char *lost = args_text(c->args, FLAG_ON_REGION_LOST, "continue");
    int err = scoring_compile(options, script_metrics(c->test.script),
                              args_bool(c->args, FLAG_NO_THRESHOLDS), totals, &thresholds, &d);

    if (err == 0)
        err = scoring_summary(options, args_text(c->args, FLAG_SUMMARY_MODE, "compact"), &summary,
                              &d);
    if (err == 0 && strcmp(load, "total") != 0 && strcmp(load, "per-region") != 0)
        err = diag_set(&d, ERR_INVALID, "flag --load: '%s' is none: use total or per-region", load);
    if (err == 0 && strcmp(lost, "continue") != 0 && strcmp(lost, "abort") != 0)
        err = diag_set(&d, ERR_INVALID,
                       "flag --on-region-lost: '%s' is none: use continue or abort", lost);
    if (err == 0 && args_is_set(c->args, FLAG_REGIONS))
        err = shares_parse(str_of(args_text(c->args, FLAG_REGIONS, "")),
                           strcmp(load, "per-region") == 0, &shares, &d);
    if (err == 0)
        err = check_local_flags(c->args, &d);
    if (err == 0)
        err = fleet_settings_check(&c->test, &d);
    shares_deinit(&shares);
    summary_stats_deinit(&summary);
    threshold_set_deinit(&thresholds);
    totals_free(totals);
    return err ? load_fail(EXIT_CODE_CONFIG, &d) : 0;
}

static int read_file(const char *path, char **out, size_t *len, struct diag *d)
{
    struct files *disk = files_new(NULL);
    char *url = files_url(str_of(path));
    const struct file *file;
    int err = files_get(disk, str_of(url), false, &file, d);

    if (err == 0) {
        *out = mem_dup(file->data, file->len);
        *len = file->len;
    }
    files_free(disk);
    mem_free(url);
    return err;
}

/* The archive that travels, with the options as they are after all flags. */
static int pack(struct fleet_command *c)
{
    const char *tmp = getenv("TMPDIR");
    char *path = mem_printf("%s/gale-archive-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    struct diag d = DIAG_INIT;
    json_t *options = options_to_json(&c->test.options);
    struct archive_write_test what = {
        .path = path,
        .main_url = script_url(c->test.script),
        .files = script_files(c->test.script),
        .metrics = script_metrics(c->test.script),
        .options = options,
        .env = &c->test.env,
    };
    int fd = mkstemp(path);
    int err = fd < 0 ? diag_set(&d, -errno, "can't make %s: %s", path, err_text(-errno)) : 0;

    if (err == 0)
        err = archive_write_test_to(&what, &d);
    if (err == 0)
        err = read_file(path, &c->archive, &c->archive_len, &d);
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    json_decref(options);
    mem_free(path);
    return err ? load_fail(EXIT_CODE_OTHER, &d) : 0;
}

/* --- starting ------------------------------------------------------------------------------- */

static char *create_path(const struct fleet_command *c)
{
    const struct args *args = c->args;
    const char *name = strrchr(c->test.name, '/');
    struct buf path = BUF_INIT(SIZE_MAX);

    buf_append_c(&path, "/api/v1/runs");
    fleet_client_add_query(&path, "filename", name ? name + 1 : c->test.name);
    fleet_client_add_query(&path, "regions", args_text(args, FLAG_REGIONS, NULL));
    fleet_client_add_query(&path, "load", args_text(args, FLAG_LOAD, NULL));
    fleet_client_add_query(&path, "on_region_lost", args_text(args, FLAG_ON_REGION_LOST, NULL));
    fleet_client_add_query(&path, "summary_mode", args_text(args, FLAG_SUMMARY_MODE, "compact"));
    if (args_bool(args, FLAG_NO_THRESHOLDS))
        fleet_client_add_query(&path, "no_thresholds", "true");
    return buf_take(&path);
}

YIELDS static int create(struct fleet_command *c, struct diag *d)
{
    char *path = create_path(c);
    char *answer = NULL;
    char *settings = NULL;
    json_t *run = NULL;
    int err = fleet_reports_prepare(c->reports, c->client, d);

    if (err == 0)
        err = fleet_settings(&c->test, fleet_reports_baseline(c->reports), &settings, d);
    fleet_client_set_settings(c->client, settings);
    if (err == 0)
        err = fleet_client_call(c->client, "POST", path, "application/x-tar",
                                str_from(c->archive, c->archive_len), &answer, d);
    fleet_client_set_settings(c->client, NULL);
    if (err == 0)
        run = json_loads(answer, 0, NULL);
    c->run = mem_strdup(json_string_value(json_object_get(run, "id")));
    if (err == 0 && !c->run)
        err = diag_set(d, ERR_SYNTAX, "the controller's answer names no run");
    if (err == 0)
        fleet_progress_banner(run, c->test.name, fleet_client_address(c->client),
                              args_bool(c->args, FLAG_QUIET));
    json_decref(run);
    mem_free(settings);
    mem_free(answer);
    mem_free(path);
    return err;
}

/* --- while it runs -------------------------------------------------------------------------- */

static enum log_level level_of(const json_t *data, const char *key)
{
    const char *name = json_string_value(json_object_get(data, key));

    if (name && strcmp(name, "error") == 0)
        return LOG_ERROR;
    if (name && strncmp(name, "warn", 4) == 0)
        return LOG_WARN;
    return name && strcmp(name, "debug") == 0 ? LOG_DEBUG : LOG_INFO;
}

static void show_line(const json_t *data, const char *level_key)
{
    const char *message = json_string_value(json_object_get(data, "message"));
    const char *region = json_string_value(json_object_get(data, "region"));
    const char *agent = json_string_value(json_object_get(data, "agent"));
    const char *kind = json_string_value(json_object_get(data, "kind"));
    enum log_level level = level_of(data, level_key);

    if (!message || (kind && strcmp(kind, "phase") == 0)) /* the progress shows the phase */
        return;
    if (region && agent)
        log_msg(level, str_of(message), "region", region, "agent", agent, NULL);
    else if (region)
        log_msg(level, str_of(message), "region", region, NULL);
    else
        log_msg(level, str_of(message), NULL);
}

/* Of a snapshot: what was there before this client was. */
static void show_lines(const json_t *list, const char *level_key)
{
    json_t *item;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)list, i, item) show_line(item, level_key);
}

static bool on_event(void *arg, const char *event, const json_t *data)
{
    struct fleet_command *c = arg;

    if (strcmp(event, "snapshot") == 0) {
        fleet_progress_snapshot(&c->progress, data);
        show_lines(json_object_get(data, "events"), "severity");
        show_lines(json_object_get(data, "logs"), "level");
    } else if (strcmp(event, "window") == 0) {
        fleet_progress_window(&c->progress, data);
    } else if (strcmp(event, "phase") == 0) {
        fleet_progress_phase(&c->progress, data);
    } else if (strcmp(event, "agents") == 0) {
        fleet_progress_agents(&c->progress, data);
    } else if (strcmp(event, "event") == 0) {
        show_line(data, "severity");
    } else if (strcmp(event, "log") == 0) {
        show_line(data, "level");
    } else if (strcmp(event, "end") == 0) {
        c->ended = json_incref((json_t *)(uintptr_t)data);
        return true;
    }
    if (c->overlay && fleet_progress_is_due(&c->progress, overlay_is_terminal(c->overlay))) {
        struct buf text = BUF_INIT(SIZE_MAX);

        fleet_progress_lines(&c->progress, &text);
        overlay_set(c->overlay, buf_str(&text));
        buf_deinit(&text);
    }
    return false;
}

static void stop_fiber(void *arg)
{
    struct fleet_command *c = arg;
    char *path = mem_printf("/api/v1/runs/%s/stop", c->run);
    struct diag d = DIAG_INIT;
    char *answer = NULL;

    if (fleet_client_call(c->client, "POST", path, "application/json",
                          STR("{\"reason\":\"interrupted in the terminal that started it\"}"),
                          &answer, &d))
        log_printf(LOG_ERROR, "the run could not be stopped: %s", d.message);
    diag_deinit(&d);
    mem_free(answer);
    mem_free(path);
}

static void on_stop(struct service *service)
{
    struct fleet_command *c = CONTAINER_OF(service, struct fleet_command, service);

    c->is_stopping = true;
    if (c->run)
        fiber_start(c->service.loop, stop_fiber, c);
    else
        loop_stop(c->service.loop);
}

/* --- the end -------------------------------------------------------------------------------- */

YIELDS static int get(struct fleet_command *c, const char *what, char **out, struct diag *d)
{
    char *path = mem_printf("/api/v1/runs/%s/%s", c->run, what);
    int err = fleet_client_call(c->client, "GET", path, NULL, STR(""), out, d);

    mem_free(path);
    return err;
}

YIELDS static void print_summary(struct fleet_command *c)
{
    bool color = isatty(STDOUT_FILENO) && !args_bool(c->args, FLAG_NO_COLOR) && !getenv("NO_COLOR");
    char *what = mem_printf("summary?format=text&color=%s", color ? "true" : "false");
    struct diag d = DIAG_INIT;
    char *custom = NULL;
    char *text = NULL;

    if (get(c, "custom-summary", &custom, &d) != 0) {
        note_error(c, EXIT_CODE_OTHER, &d);
    } else if (custom[0]) { /* what handleSummary() gave stands for the default */
        if (export_write_files(custom, &d))
            note_error(c, EXIT_CODE_OTHER, &d);
        mem_free(what);
        what = mem_printf("summary?format=regions&color=%s", color ? "true" : "false");
    }
    if (get(c, what, &text, &d) != 0)
        note_error(c, EXIT_CODE_OTHER, &d);
    else if (!print_out(str_of(text)))
        note_error(c, EXIT_CODE_OTHER, &d);
    mem_free(custom);
    mem_free(text);
    mem_free(what);
}

YIELDS static void print_exemplars(struct fleet_command *c)
{
    struct buf path = BUF_INIT(SIZE_MAX);
    struct diag d = DIAG_INIT;
    char *text = NULL;
    char *what;

    if (!args_bool(c->args, FLAG_SUMMARY_EXEMPLARS))
        return;
    buf_append_c(&path, "exemplars?format=text");
    fleet_client_add_query(&path, "link", args_text(c->args, FLAG_TRACE_LINK, NULL));
    what = buf_take(&path);
    if (get(c, what, &text, &d) != 0 || !print_out(str_of(text)))
        note_error(c, EXIT_CODE_OTHER, &d);
    mem_free(text);
    mem_free(what);
}

YIELDS static void export_summary_file(struct fleet_command *c)
{
    const char *path = args_text(c->args, FLAG_SUMMARY_EXPORT, NULL);
    struct diag d = DIAG_INIT;
    char *text = NULL;

    if (!path)
        return;
    if (get(c, args_bool(c->args, FLAG_MACHINE_SUMMARY) ? "export/machine" : "export/summary",
            &text, &d) != 0 ||
        export_write_file(path, str_of(text), &d) != 0)
        note_error(c, EXIT_CODE_OTHER, &d);
    mem_free(text);
}

/* --report: the controller makes it. */
YIELDS static void write_html(struct fleet_command *c)
{
    const char *path = args_text(c->args, FLAG_REPORT, NULL);
    struct diag d = DIAG_INIT;
    char *text = NULL;
    int err;

    if (!path)
        return;
    err = get(c, "export/html", &text, &d);
    if (err == 0 && strcmp(path, "-") == 0 && !print_out(str_of(text)))
        err = diag_set(&d, -errno, "can't write to stdout: %s", err_text(-errno));
    else if (err == 0 && strcmp(path, "-") != 0)
        err = export_write_file(path, str_of(text), &d);
    if (err)
        note_error(c, EXIT_CODE_OTHER, &d);
    mem_free(text);
}

static void run_fiber(void *arg)
{
    struct fleet_command *c = arg;
    struct diag d = DIAG_INIT;
    int err = create(c, &d);
    char *path;

    if (err == 0) {
        path = mem_printf("/api/v1/runs/%s/live", c->run);
        err = fleet_client_follow(c->client, path, on_event, c, &d);
        mem_free(path);
    }
    overlay_free(c->overlay);
    c->overlay = NULL;
    if (err) {
        if (err != ERR_CANCELLED)
            c->exit_code = load_fail(c->run ? EXIT_CODE_OTHER : EXIT_CODE_CONFIG, &d);
    } else {
        c->exit_code = (int)json_integer_value(json_object_get(c->ended, "exit_code"));
        if (!json_is_null(json_object_get(c->ended, "started_at")) &&
            strcmp(args_text(c->args, FLAG_SUMMARY_MODE, "compact"), "disabled") != 0) {
            print_summary(c);
            export_summary_file(c);
        }
        if (!json_is_null(json_object_get(c->ended, "started_at")))
            print_exemplars(c);
        if (fleet_reports_write(c->reports, c->client, c->run) && c->exit_code == 0)
            c->exit_code = EXIT_CODE_OTHER;
        write_html(c);
    }
    loop_stop(c->service.loop);
}

int run_fleet(const struct args *args)
{
    struct fleet_command c = {.service = {.on_stop = on_stop}, .args = args};
    struct diag d = DIAG_INIT;
    int code = load_test(args, false, &c.test);

    if (code)
        return code;
    code = load_scenarios(&c.test);
    if (code == 0)
        code = check_test(&c);
    if (code == 0)
        code = pack(&c);
    if (code == 0)
        code = service_open(&c.service, args);
    if (code == 0 && fleet_client_new(c.service.loop, args, &c.client, &d))
        code = load_fail(EXIT_CODE_CONFIG, &d);
    if (code == 0) {
        if (!args_bool(args, FLAG_QUIET))
            c.overlay = overlay_new();
        fleet_progress_init(&c.progress);
        c.reports = fleet_reports_new(&c.test);
        fiber_start(c.service.loop, run_fiber, &c);
        service_run(&c.service);
        code = c.is_stopping && !c.ended ? EXIT_CODE_SIGNAL : c.exit_code;
        if (c.is_stopping && !c.ended)
            _exit(code); /* its fibers still wait for answers */
        fleet_progress_deinit(&c.progress);
    }
    fleet_client_free(c.client);
    if (c.service.loop)
        service_close(&c.service);
    offload_shutdown();
    fleet_reports_free(c.reports);
    json_decref(c.ended);
    mem_free(c.run);
    mem_free(c.archive);
    load_deinit(&c.test);
    return code;
}

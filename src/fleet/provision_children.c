#include "fleet/provision_children.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "fleet/process.h"
#include "loop/loop.h"

enum {
    LINE_MAX_BYTES = 16 * 1024, /* of a log line; what is longer comes in pieces */
    READ_AT_ONCE = 64 * 1024,   /* of one child's log before others get their turn */
    NAME_MAX_LEN = 54,          /* an id is 9 longer, and an agent takes 63 */
    PATIENCE_SEC = 10,
    LOOK_MS = 1000, /* between looks at a child */
    REAP_MS = 20,   /* the same when it has closed its output */
};

struct child_agent {
    struct provisioned_agent shown; /* its texts are owned */
    struct children *children;
    struct process process;
    struct io io;       /* of its log */
    struct buf line;    /* what has come of the next one */
    struct timer timer; /* to look at it again */
    int64_t kill_at;    /* of one that was asked to end; 0: it was not */
    bool has_closed;    /* its output: its end is near */
    struct child_agent *next;
};

/* --- log lines ---------------------------------------------------------------------------- */

static enum log_level level_of(const char *text)
{
    if (!text || strcmp(text, "info") == 0)
        return LOG_INFO;
    if (strcmp(text, "error") == 0)
        return LOG_ERROR;
    if (strcmp(text, "debug") == 0)
        return LOG_DEBUG;
    return strncmp(text, "warn", 4) == 0 ? LOG_WARN : LOG_INFO;
}

/* Agents log JSON; what else comes (ssh's complaints, a crash) is passed on as it is. */
static void forward(const struct child_agent *a, struct str line)
{
    json_t *json = json_loadb(line.ptr, line.len, 0, NULL);
    const json_t *message = json_object_get(json, "msg");
    const char *source = json_string_value(json_object_get(json, "source"));

    if (line.len > 0 && json_is_string(message))
        log_msg(level_of(json_string_value(json_object_get(json, "level"))),
                str_from(json_string_value(message), json_string_length(message)), "agent",
                a->shown.id, source ? "source" : NULL, source, NULL);
    else if (line.len > 0)
        log_msg(LOG_WARN, line, "agent", a->shown.id, NULL);
    json_decref(json);
}

static void take_lines(struct child_agent *a, struct str bytes)
{
    while (bytes.len > 0) {
        struct str part = str_cut(&bytes, '\n');
        size_t room = LINE_MAX_BYTES - a->line.len;

        if (part.len > room) { /* without its newline, in pieces */
            buf_append(&a->line, part.ptr, room);
            forward(a, buf_str(&a->line));
            buf_reset(&a->line);
            bytes = str_from(part.ptr + room, part.len - room + (bytes.ptr ? bytes.len + 1 : 0));
            continue;
        }
        buf_append_str(&a->line, part);
        if (!bytes.ptr)
            return;
        forward(a, buf_str(&a->line));
        buf_reset(&a->line);
    }
}

/* --- the end ------------------------------------------------------------------------------ */

static void free_agent(struct child_agent *a)
{
    timer_stop(a->children->config.loop, &a->timer);
    io_remove(a->children->config.loop, &a->io);
    buf_deinit(&a->line);
    mem_free((char *)(uintptr_t)a->shown.id);
    mem_free((char *)(uintptr_t)a->shown.region);
    mem_free((char *)(uintptr_t)a->shown.zone);
    mem_free((char *)(uintptr_t)a->shown.place);
    mem_free(a);
}

static void unlink_agent(struct child_agent *a)
{
    struct child_agent **at = &a->children->first;

    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    a->children->count--;
}

static void ended(struct child_agent *a, const char *how)
{
    const struct provisioner_config *config = &a->children->config;

    forward(a, buf_str(&a->line));
    unlink_agent(a);
    if (config->on_end)
        config->on_end(config->arg, &a->shown, how);
    free_agent(a);
}

static void close_input(struct child_agent *a)
{
    if (a->process.in_fd >= 0)
        close(a->process.in_fd);
    a->process.in_fd = -1;
}

static void ask_to_end(struct child_agent *a)
{
    if (a->kill_at)
        return;
    a->shown.is_stopping = true;
    a->kill_at = clock_now() + a->children->config.patience;
    /* What reads from us ends at its input's end, and tells how; a signal would cut it short. */
    if (a->process.in_fd >= 0)
        close_input(a);
    else
        kill(a->process.pid, SIGTERM);
}

static void plan(struct child_agent *a, int64_t next)
{
    if (a->kill_at && a->kill_at < next)
        next = a->kill_at;
    timer_start(a->children->config.loop, &a->timer, next);
}

/* Reads what there is; true: there may be more. */
static bool read_log(struct child_agent *a)
{
    char bytes[8192];

    for (size_t total = 0; total < READ_AT_ONCE;) {
        ssize_t got = read(a->process.log_fd, bytes, sizeof bytes);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            a->has_closed = got == 0 || errno != EAGAIN;
            return false;
        }
        total += (size_t)got;
        take_lines(a, str_from(bytes, (size_t)got));
    }
    return true;
}

/* It is asked whether it has ended before its log is read, which then has all of it. A log that
 * stays open is no sign of life: somebody else may have it by now. */
static void look(struct child_agent *a)
{
    bool has_ended = process_has_ended(&a->process);
    int64_t now = clock_now();
    char *how;

    if (!a->has_closed && read_log(a)) {
        plan(a, now);
        return;
    }
    if (has_ended) {
        io_remove(a->children->config.loop, &a->io);
        how = process_reap(&a->process);
        ended(a, how);
        mem_free(how);
        return;
    }
    if (a->kill_at && now >= a->kill_at) {
        kill(a->process.pid, SIGKILL);
        a->kill_at = INT64_MAX;
    }
    plan(a, now + (a->has_closed ? REAP_MS : LOOK_MS) * NSEC_PER_MSEC);
}

static void on_log(struct io *io)
{
    io_clear(io, IO_READ | IO_HANGUP);
    look(CONTAINER_OF(io, struct child_agent, io));
}

static void on_timer(struct timer *timer)
{
    look(CONTAINER_OF(timer, struct child_agent, timer));
}

/* --- starting ----------------------------------------------------------------------------- */

/* The lines fit a pipe, which is empty: a short write is a bug, or the child is dead already, which
 * its log's end will tell. */
static void feed(const struct child_agent *a, const char *input)
{
    size_t len = strlen(input);

    if (write(a->process.in_fd, input, len) != (ssize_t)len)
        log_printf(LOG_WARN, "agent %s (%s) did not take its settings", a->shown.id,
                   a->shown.place);
}

int children_start(struct children *c, const struct child_start *how, struct diag *d)
{
    struct process_how process = {
        .argv = how->argv, .env = how->env, .has_input = how->input != NULL};
    struct child_agent *a = mem_zalloc(sizeof *a);
    int err = process_start(&a->process, &process, d);

    if (err) {
        mem_free(a);
        return err;
    }
    a->children = c;
    a->shown.id = mem_strdup(how->id);
    a->shown.region = mem_strdup(how->region);
    a->shown.zone = mem_strdup(how->zone ? how->zone : "");
    a->shown.place =
        how->place ? mem_strdup(how->place) : mem_printf("pid %d", (int)a->process.pid);
    buf_init(&a->line, LINE_MAX_BYTES);
    timer_init(&a->timer, on_timer);
    a->io.on_ready = on_log;
    err = io_add(c->config.loop, &a->io, a->process.log_fd);
    if (err) {
        a->io.fd = -1;
        mem_free(process_stop(&a->process, 0));
        free_agent(a);
        return diag_set(d, err, "%s: %s", how->argv[0], err_text(err));
    }
    if (how->input)
        feed(a, how->input);
    a->next = c->first;
    c->first = a;
    c->count++;
    plan(a, clock_now() + LOOK_MS * NSEC_PER_MSEC);
    return 0;
}

/* Letters, digits, "-" and "_": nothing that a shell, a flag or a subject would see more in. */
static bool is_name(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len <= NAME_MAX_LEN && text[0] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

int children_check(const struct children *c, const char *region, const char *zone, size_t count,
                   struct diag *d)
{
    if (!is_name(region))
        return diag_set(d, ERR_INVALID,
                        "'%s' is no region's name: letters, digits, - and _, at most %d", region,
                        NAME_MAX_LEN);
    if (zone && zone[0] && !is_name(zone))
        return diag_set(d, ERR_INVALID,
                        "'%s' is no zone's name: letters, digits, - and _, at most %d", zone,
                        NAME_MAX_LEN);
    if (count > PROVISION_MAX_AGENTS - c->count)
        return diag_set(d, ERR_LIMIT,
                        "%zu agents run and %zu more were asked for; a provisioner has at most %d",
                        c->count, count, PROVISION_MAX_AGENTS);
    return 0;
}

char *children_new_id(const char *region)
{
    uint32_t number;

    rng_system(&number, sizeof number);
    return mem_printf("%s-%08x", region, number);
}

size_t children_at(const struct children *c, const char *place)
{
    size_t count = 0;

    for (const struct child_agent *a = c->first; a; a = a->next)
        count += strcmp(a->shown.place, place) == 0;
    return count;
}

/* --- argument lists ----------------------------------------------------------------------- */

void arg_list_add(struct arg_list *list, const char *text)
{
    list->args = mem_reallocarray((void *)list->args, list->count + 2, sizeof *list->args);
    list->args[list->count++] = mem_strdup(text);
    list->args[list->count] = NULL;
}

void arg_list_add_agent(struct arg_list *list, const struct children *c, const char *id,
                        const char *region, const char *zone)
{
    const char *args[] = {"agent",        "--id",         id,    "--region", region, "--nats",
                          c->config.nats, "--log-format", "json"};

    for (size_t i = 0; i < COUNT_OF(args); i++)
        arg_list_add(list, args[i]);
    if (zone && zone[0]) {
        arg_list_add(list, "--zone");
        arg_list_add(list, zone);
    }
    for (char **flag = c->flags; flag && *flag; flag++)
        arg_list_add(list, *flag);
}

void arg_list_deinit(struct arg_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        mem_free(list->args[i]);
    mem_free((void *)list->args);
}

/* --- all of them -------------------------------------------------------------------------- */

void children_init(struct children *c, const char *name, const struct provisioner_ops *ops,
                   const struct provisioner_config *config, char *program)
{
    struct arg_list flags = {NULL, 0};

    for (const char *const *flag = config->flags; flag && *flag; flag++)
        arg_list_add(&flags, *flag);
    *c = (struct children){
        .provisioner = {.ops = ops, .name = name},
        .config = *config,
        .flags = flags.args,
        .program = program,
    };
    c->config.nats = mem_strdup(config->nats);
    if (c->config.patience == 0)
        c->config.patience = PATIENCE_SEC * NSEC_PER_SEC;
    c->config.flags = NULL;
    c->config.program = NULL;
}

/* All are asked at once, so that the whole takes as long as the slowest. */
void children_deinit(struct children *c)
{
    int64_t patience = clock_now() + c->config.patience;

    for (struct child_agent *a = c->first; a; a = a->next)
        ask_to_end(a);
    while (c->first) {
        struct child_agent *a = c->first;
        int64_t left = patience - clock_now();

        unlink_agent(a);
        io_remove(c->config.loop, &a->io);
        mem_free(process_stop(&a->process, left > 0 ? (int)(left / NSEC_PER_SEC) : 0));
        free_agent(a);
    }
    for (char **flag = c->flags; flag && *flag; flag++)
        mem_free(*flag);
    mem_free((void *)c->flags);
    mem_free((char *)(uintptr_t)c->config.nats);
    mem_free(c->program);
}

int children_stop(struct provisioner *p, const char *id, struct diag *d)
{
    struct children *c = CONTAINER_OF(p, struct children, provisioner);

    for (struct child_agent *a = c->first; a; a = a->next) {
        if (strcmp(a->shown.id, id) != 0)
            continue;
        ask_to_end(a);
        plan(a, clock_now() + LOOK_MS * NSEC_PER_MSEC);
        return 0;
    }
    return diag_set(d, ERR_NOT_FOUND, "no agent '%s' was started here", id);
}

void children_each(const struct provisioner *p,
                   void (*fn)(void *arg, const struct provisioned_agent *agent), void *arg)
{
    const struct children *c =
        CONTAINER_OF((struct provisioner *)(uintptr_t)p, struct children, provisioner);

    for (const struct child_agent *a = c->first; a; a = a->next)
        fn(arg, &a->shown);
}

#include "cli/dashboard_settings.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"

#define OUTPUT "web-dashboard"
#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT 5665

enum key { HOST, PORT, PERIOD, OPEN, EXPORT, REPORT, RECORD, TAGS, KEYS };

static const char *const names[KEYS] = {
    [HOST] = "host",     [PORT] = "port",     [PERIOD] = "period", [OPEN] = "open",
    [EXPORT] = "export", [REPORT] = "report", [RECORD] = "record", [TAGS] = "tags",
};

struct said {
    char *value; /* owned; NULL: nothing */
    bool by_output;
};

/* --- where it is said ----------------------------------------------------------------------- */

static char *variable_of(enum key key)
{
    char *name = mem_printf("K6_WEB_DASHBOARD_%s", names[key]);

    for (char *at = name; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    return name;
}

static void read_environment(const struct dashboard_asked *asked, struct said said[KEYS])
{
    for (enum key key = 0; key < KEYS; key++) {
        char *name = variable_of(key);
        const char *value = asked->env(name);

        if (value && *value)
            said[key].value = mem_strdup(value);
        mem_free(name);
    }
}

static int read_output(const char *text, struct said said[KEYS], struct diag *d)
{
    struct str rest = str_of(*text == '=' ? text + 1 : text);

    while (rest.len > 0) {
        struct str value = str_cut(&rest, '&');
        struct str name = str_cut(&value, '=');
        enum key key = 0;

        while (key < KEYS && !str_eq_c(name, names[key]))
            key++;
        if (key == KEYS)
            return diag_set(d, ERR_INVALID,
                            "output " OUTPUT ": '%.*s' is none of its settings: host, port, "
                            "period, open, export",
                            STR_ARG(name));
        mem_free(said[key].value);
        said[key] = (struct said){.value = str_dup(value), .by_output = true};
    }
    return 0;
}

static int refuse(const struct said *said, enum key key, const char *expected, struct diag *d)
{
    char *name = variable_of(key);
    int err = said[key].by_output
                  ? diag_set(d, ERR_INVALID, "output " OUTPUT ": %s: '%s' is no %s", names[key],
                             said[key].value, expected)
                  : diag_set(d, ERR_INVALID, "%s: '%s' is no %s", name, said[key].value, expected);

    mem_free(name);
    return err;
}

/* --- what it means -------------------------------------------------------------------------- */

/* -1: no page is wanted. */
static int read_port(const struct said *said, int *out, struct diag *d)
{
    const char *text = said[PORT].value;
    uint64_t port;

    *out = DEFAULT_PORT;
    if (!text)
        return 0;
    if (strcmp(text, "-1") == 0) {
        *out = -1;
        return 0;
    }
    if (!str_to_u64(str_of(text), &port) || port > 65535)
        return refuse(said, PORT, "port: 0 to 65535 (0: any that is free), or -1 for no page", d);
    *out = (int)port;
    return 0;
}

static int read_open(const struct said *said, bool *out, struct diag *d)
{
    const char *text = said[OPEN].value;

    *out = text && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
    if (!text || *out || strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
        return 0;
    return refuse(said, OPEN, "true or false", d);
}

/* The page is new each second, whatever period is asked for; nonsense is refused all the same. */
static int check_period(const struct said *said, struct diag *d)
{
    int64_t nsec;
    uint64_t ms;
    const char *text = said[PERIOD].value;

    if (!text || str_to_u64(str_of(text), &ms) ||
        (duration_parse(str_of(text), &nsec) == 0 && nsec > 0))
        return 0;
    return refuse(said, PERIOD, "duration, as in 5s", d);
}

static char *address_of(const char *host, int port)
{
    bool is_bare = strchr(host, ':') && host[0] != '['; /* of IPv6 */

    return mem_printf(is_bare ? "[%s]:%d" : "%s:%d", host, port);
}

static char *ignored_of(const struct said *said)
{
    static const enum key keys[] = {PERIOD, RECORD, TAGS};
    struct buf out = BUF_INIT(SIZE_MAX);

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (said[keys[i]].value)
            buf_printf(&out, "%s%s", out.len ? ", " : "", names[keys[i]]);
    }
    if (out.len > 0)
        return buf_take(&out);
    buf_deinit(&out);
    return NULL;
}

static int interpret(const struct dashboard_asked *asked, const struct said *said,
                     struct dashboard_settings *out, struct diag *d)
{
    const char *report = said[EXPORT].value ? said[EXPORT].value : said[REPORT].value;
    const char *host = said[HOST].value ? said[HOST].value : DEFAULT_HOST;
    int port;
    int err = read_port(said, &port, d);

    if (err == 0)
        err = read_open(said, &out->opens, d);
    if (err == 0)
        err = check_period(said, d);
    if (err)
        return err;
    if (report)
        out->report = mem_strdup(report);
    if (asked->address)
        out->address = mem_strdup(asked->address);
    else if (port >= 0)
        out->address = address_of(host, port);
    out->ignored = ignored_of(said);
    return 0;
}

int dashboard_settings_read(const struct dashboard_asked *asked, struct dashboard_settings *out,
                            struct diag *d)
{
    struct said said[KEYS] = {{0}};
    int err = 0;

    *out = (struct dashboard_settings){0};
    if (!asked->is_wanted && !asked->address && !asked->output)
        return 0;
    read_environment(asked, said);
    if (asked->output)
        err = read_output(asked->output, said, d);
    if (err == 0)
        err = interpret(asked, said, out, d);
    for (enum key key = 0; key < KEYS; key++)
        mem_free(said[key].value);
    return err;
}

void dashboard_settings_deinit(struct dashboard_settings *s)
{
    mem_free(s->address);
    mem_free(s->report);
    mem_free(s->ignored);
}

bool dashboard_is_output(struct str spec, struct str *rest)
{
    if (!str_starts_with(spec, STR(OUTPUT)))
        return false;
    *rest = str_from_index(spec, sizeof OUTPUT - 1);
    return rest->len == 0 || rest->ptr[0] == '=';
}

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/load.h"
#include "engine/run.h"
#include "script/files.h"

static const char minimal[] =
    "import http from 'k6/http';\n"
    "import { check, sleep } from 'k6';\n"
    "\n"
    "export const options = {\n"
    "  vus: 10,\n"
    "  duration: '30s',\n"
    "  thresholds: {\n"
    "    http_req_failed: ['rate<0.01'],\n"
    "    http_req_duration: ['p(95)<500'],\n"
    "  },\n"
    "};\n"
    "\n"
    "// What each virtual user does, over and over.\n"
    "export default function () {\n"
    "  const res = http.get(`${__ENV.BASE || 'http://127.0.0.1:8080'}/`);\n"
    "  check(res, { 'status is 200': (r) => r.status === 200 });\n"
    "  sleep(1);\n"
    "}\n";

static const char protocol[] =
    "import http from 'k6/http';\n"
    "import { check, group, sleep } from 'k6';\n"
    "\n"
    "const BASE = __ENV.BASE || 'http://127.0.0.1:8080';\n"
    "\n"
    "export const options = {\n"
    "  scenarios: {\n"
    "    // As many users as it takes to start 20 visits a second.\n"
    "    visits: {\n"
    "      executor: 'ramping-arrival-rate',\n"
    "      startRate: 1,\n"
    "      timeUnit: '1s',\n"
    "      preAllocatedVUs: 20,\n"
    "      maxVUs: 100,\n"
    "      stages: [\n"
    "        { duration: '30s', target: 20 },\n"
    "        { duration: '1m', target: 20 },\n"
    "        { duration: '10s', target: 0 },\n"
    "      ],\n"
    "    },\n"
    "  },\n"
    "  thresholds: {\n"
    "    checks: ['rate>0.99'],\n"
    "    'http_req_duration{name:catalogue}': ['p(95)<300'],\n"
    "  },\n"
    "};\n"
    "\n"
    "// Runs once, before the load; what it returns reaches every user.\n"
    "export function setup() {\n"
    "  const res = http.post(`${BASE}/signup`, JSON.stringify({ name: 'load test' }), {\n"
    "    headers: { 'Content-Type': 'application/json' },\n"
    "  });\n"
    "  return { token: res.status < 400 ? res.json('token') : null };\n"
    "}\n"
    "\n"
    "export default function (data) {\n"
    "  const params = { headers: { Authorization: `Bearer ${data.token}` } };\n"
    "  group('browse', () => {\n"
    "    const res = http.get(`${BASE}/products`, { ...params, tags: { name: 'catalogue' } });\n"
    "    check(res, { 'catalogue is there': (r) => r.status === 200 });\n"
    "  });\n"
    "  sleep(1);\n"
    "}\n";

/* --- templates ---------------------------------------------------------------------------- */

struct template
{
    struct str script_name;
    const char *project; /* NULL: none */
};

/* What stands for `{{ name }}`; ptr NULL: nothing does. */
static struct str value_of(const struct template *t, struct str name)
{
    if (str_eq_c(name, ".ScriptName"))
        return t->script_name;
    if (str_eq_c(name, ".ProjectID"))
        return str_of(t->project ? t->project : "");
    return (struct str){NULL, 0};
}

/* A file of one's own: k6 takes Go's templates, of which only the two variables make sense here. */
static int fill(const struct template *t, struct str text, struct buf *out, struct diag *d)
{
    while (text.len > 0) {
        ptrdiff_t at = str_find_str(text, STR("{{"));
        struct str rest = at < 0 ? (struct str){NULL, 0} : str_from_index(text, (size_t)at + 2);
        ptrdiff_t end = at < 0 ? -1 : str_find_str(rest, STR("}}"));
        struct str value;

        if (end < 0) {
            buf_append_str(out, text);
            return 0;
        }
        value = value_of(t, str_trim(str_slice(rest, 0, (size_t)end)));
        if (!value.ptr)
            return diag_set(d, ERR_INVALID,
                            "{{%.*s}} stands for nothing: there are {{ .ScriptName }} and "
                            "{{ .ProjectID }}",
                            (int)end, rest.ptr);
        buf_append_str(out, str_slice(text, 0, (size_t)at));
        buf_append_str(out, value);
        text = str_from_index(rest, (size_t)end + 2);
    }
    return 0;
}

/* Ours: with a project, the options begin with it. */
static void put_own(const struct template *t, const char *text, struct buf *out)
{
    static const struct str mark = STR_INIT("export const options = {\n");
    ptrdiff_t at = str_find_str(str_of(text), mark);

    if (!t->project || at < 0) {
        buf_append_c(out, text);
        return;
    }
    buf_append_str(out, str_slice(str_of(text), 0, (size_t)at + mark.len));
    buf_printf(out, "  cloud: { projectID: %s },\n", t->project);
    buf_append_str(out, str_from_index(str_of(text), (size_t)at + mark.len));
}

static int make_script(const struct args *args, const struct template *t, struct buf *out,
                       struct diag *d)
{
    const char *name = args_text(args, FLAG_TEMPLATE, "minimal");
    struct files *files;
    const struct file *file;
    char *url;
    int err;

    if (t->project && t->project[strspn(t->project, "0123456789")] != '\0')
        return diag_set(d, ERR_INVALID, "flag --project-id: '%s' is no number", t->project);
    if (strcmp(name, "minimal") == 0 || strcmp(name, "protocol") == 0) {
        put_own(t, strcmp(name, "minimal") == 0 ? minimal : protocol, out);
        return 0;
    }
    files = files_new(NULL);
    url = files_url(str_of(name));
    err = files_get(files, str_of(url), true, &file, NULL);
    err = err ? diag_set(d, ERR_INVALID,
                         "there is no template '%s': use minimal, protocol, or a file", name)
              : fill(t, str_from(file->data, file->len), out, d);
    mem_free(url);
    files_free(files);
    return err;
}

static int write_script(const char *path, bool replaces, struct str text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (replaces ? O_TRUNC : O_EXCL), 0644);

    if (fd >= 0 && write(fd, text.ptr, text.len) == (ssize_t)text.len && close(fd) == 0)
        return 0;
    log_printf(LOG_ERROR, "can't write '%s': %s%s", path, err_text(-errno),
               errno == EEXIST ? " (--force overwrites it)" : "");
    return EXIT_CODE_OTHER;
}

int cmd_new(const struct args *args)
{
    const char *path = args->positional_count > 0 ? args->positional[0] : "script.js";
    const char *slash = strrchr(path, '/');
    struct template t = {str_of(slash ? slash + 1 : path), args_text(args, FLAG_PROJECT_ID, NULL)};
    struct buf text = BUF_INIT(FILES_MAX_SCRIPT);
    struct diag d = DIAG_INIT;
    int code = make_script(args, &t, &text, &d)
                   ? load_fail(EXIT_CODE_CONFIG, &d)
                   : write_script(path, args_bool(args, FLAG_FORCE), buf_str(&text));

    buf_deinit(&text);
    if (code)
        return code;
    print_out(STR("New script created: "));
    print_out(str_of(path));
    print_out(STR("\n"));
    return 0;
}

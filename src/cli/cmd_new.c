#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "cli/args.h"
#include "cli/command.h"
#include "engine/run.h"

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

int cmd_new(const struct args *args)
{
    const char *path = args->positional_count > 0 ? args->positional[0] : "script.js";
    const char *name = args_text(args, FLAG_TEMPLATE, "minimal");
    const char *text = strcmp(name, "minimal") == 0    ? minimal
                       : strcmp(name, "protocol") == 0 ? protocol
                                                       : NULL;
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC;
    int fd;

    if (!text) {
        log_printf(LOG_ERROR, "there is no template '%s': use minimal or protocol", name);
        return EXIT_CODE_CONFIG;
    }
    fd = open(path, flags | (args_bool(args, FLAG_FORCE) ? O_TRUNC : O_EXCL), 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0) {
        log_printf(LOG_ERROR, "can't write '%s': %s%s", path, err_text(-errno),
                   errno == EEXIST ? " (--force overwrites it)" : "");
        return EXIT_CODE_OTHER;
    }
    print_out(STR("New script created: "));
    print_out(str_of(path));
    print_out(STR("\n"));
    return 0;
}

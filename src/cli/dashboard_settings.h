/* Whether a run on this machine has a page of its own, and where: --dashboard, --dashboard-addr,
 * --out web-dashboard[=key=value&...], and k6's variables, K6_WEB_DASHBOARD and
 * K6_WEB_DASHBOARD_HOST, _PORT, _PERIOD, _OPEN, _EXPORT, _REPORT, _RECORD and _TAGS. A flag beats
 * what --out says, and that the environment. */
#ifndef CLI_DASHBOARD_SETTINGS_H
#define CLI_DASHBOARD_SETTINGS_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct dashboard_asked {
    bool is_wanted;      /* --dashboard or its variable */
    const char *address; /* --dashboard-addr, which asks for it, too; NULL: not given */
    const char *output;  /* what follows "web-dashboard" in --out, "" or "=..."; NULL: not given */
    const char *(*env)(const char *name);
};

struct dashboard_settings {
    char *address; /* host:port; NULL: no page */
    char *report;  /* a file for the page of HTML, unless --report names one; NULL: none */
    bool opens;    /* a browser, with the page */
    char *ignored; /* "record, tags": what was asked for and has no effect; NULL: nothing */
};

/* ERR_INVALID with a message that names the flag or the variable. */
MUST_USE int dashboard_settings_read(const struct dashboard_asked *asked,
                                     struct dashboard_settings *out, struct diag *d);
void dashboard_settings_deinit(struct dashboard_settings *s);

/* Whether the argument of --out means the page; *rest is then what follows the name, within it. */
bool dashboard_is_output(struct str spec, struct str *rest);

#endif

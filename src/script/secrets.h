/* Where k6/secrets finds values: sources that --secret-source names (k6-features.md SEC-01 to
 * SEC-03). Read once, before the script; read-only from then on. */
#ifndef SCRIPT_SECRETS_H
#define SCRIPT_SECRETS_H

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct secrets;

struct secrets *secrets_new(void);
void secrets_free(struct secrets *secrets); /* NULL is allowed */

/* Adds a source: "mock=[name=N,][default,]key=value,..." or "file=[name=N,][default,]PATH" with
 * lines of key=value. ERR_INVALID, or why the file can't be read. */
MUST_USE int secrets_add(struct secrets *secrets, struct str spec, struct diag *d);

/* The value of a key in the source of that name (empty: the default one). From the first time on
 * log lines do not show it. ERR_NOT_FOUND with a message. */
MUST_USE int secrets_get(struct secrets *secrets, struct str source, struct str key,
                         struct str *value, struct diag *d);
/* Whether there is a source of that name. */
bool secrets_has(const struct secrets *secrets, struct str source);

#endif

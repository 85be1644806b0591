/* Where k6/secrets finds values: sources that --secret-source names (k6-features.md SEC-01 to
 * SEC-04, SEC-06). Read once, before the script; read-only from then on. */
#ifndef SCRIPT_SECRETS_SECRETS_H
#define SCRIPT_SECRETS_SECRETS_H

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct secret_source;
struct secret_url;
struct secrets;

struct secrets *secrets_new(void);
void secrets_free(struct secrets *secrets); /* NULL is allowed */

/* Adds a source, by one of
 *     mock=[name=N,][default,]key=value,...
 *     file=[name=N,][default,]PATH                 lines of key=value
 *     url=[name=N,][default,]urlTemplate=URL,...   see url.h
 * ERR_INVALID, or why the file can't be read. */
MUST_USE int secrets_add(struct secrets *secrets, struct str spec, struct diag *d);

/* The source of that name (empty: the default one); NULL: there is none. */
const struct secret_source *secrets_find(const struct secrets *secrets, struct str name);
const char *secret_source_name(const struct secret_source *source);
/* Of a url source, whose values are fetched; NULL: they are at hand. */
const struct secret_url *secret_source_url(const struct secret_source *source);
/* The value of a key; log lines do not show it from now on. ERR_NOT_FOUND with a message. */
MUST_USE int secret_source_get(const struct secret_source *source, struct str key,
                               struct str *value, struct diag *d);

#endif

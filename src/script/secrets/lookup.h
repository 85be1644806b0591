/* secrets.get() of a url source: each worker asks once for a key and keeps the value, for all of
 * its VUs; those who want it meanwhile wait for the same answer. Failures are not kept. */
#ifndef SCRIPT_SECRETS_LOOKUP_H
#define SCRIPT_SECRETS_LOOKUP_H

#include <quickjs.h>

#include "base/compiler.h"
#include "base/str.h"

struct script_worker;
struct secret_source;

/* A promise for the value of `key`; JS_EXCEPTION when none could be made. */
MUST_USE JSValue secret_lookup(JSContext *ctx, const struct secret_source *source, struct str key);

/* The worker's end: its loop is quiet. */
void secret_lookups_free(struct script_worker *worker);

#endif

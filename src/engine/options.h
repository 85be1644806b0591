/* The options of a test: read from JSON, environment and flags, checked, merged by precedence.
 *
 * options.def is the table of them. Values are kept as checked JSON in k6's shape (durations as
 * text), so that `inspect`, archives and exec.test.options print what was read; the getters give
 * typed values with the table's defaults.
 *
 * Precedence, lowest first: config file, script, environment, flags (k6-features.md CFG-01). A tier
 * that says how to execute (duration, iterations, stages or scenarios) replaces what lower ones
 * said of that (CFG-02). */
#ifndef ENGINE_OPTIONS_H
#define ENGINE_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

enum option_id {
#define OPTION(id, key, kind, flag, short_flag, def, arg, help) OPTION_##id,
#include "engine/options.def"
#undef OPTION
    OPTION_COUNT
};

enum option_kind {
    OPTION_KIND_BOOL,
    OPTION_KIND_INT,
    OPTION_KIND_SIZE, /* bytes: a number, or text with kB, MB, GB */
    OPTION_KIND_STRING,
    OPTION_KIND_STRINGS, /* a list; as text comma-separated */
    OPTION_KIND_DURATION,
    OPTION_KIND_STAGES,
    OPTION_KIND_SCENARIOS,
    OPTION_KIND_THRESHOLDS,
    OPTION_KIND_MAP, /* of texts */
    OPTION_KIND_DNS,
    OPTION_KIND_TLS_VERSION,
    OPTION_KIND_TLS_AUTH,
    OPTION_KIND_TRACING, /* {propagator, sampling} */
    OPTION_KIND_OBJECT,  /* anything, kept as it is */
};

struct option_info {
    enum option_id id;
    const char *key;
    enum option_kind kind;
    const char *flag;
    char short_flag;
    const char *def;
    const char *arg;
    const char *help;
};

extern const struct option_info option_table[OPTION_COUNT];
const struct option_info *option_by_key(struct str key);

struct options {
    json_t *values[OPTION_COUNT]; /* owned; NULL: not set */
    char **warnings;              /* what a person should know: unknown options, overrides */
    size_t warning_count;
};

void options_init(struct options *o);
void options_deinit(struct options *o);

enum option_tier { TIER_CONFIG, TIER_SCRIPT, TIER_ENV, TIER_FLAGS };

/* Lays a tier over what is there. `tier` is an object by key; unknown keys are warnings, null is
 * unset. ERR_INVALID with a message that names the option (k6's exit code 104). */
MUST_USE int options_apply(struct options *o, enum option_tier which, const json_t *tier,
                           struct diag *d);

/* Reads one option's text (a flag's argument, an environment variable) into a tier object; a flag
 * given again adds to lists and maps. */
MUST_USE int options_read_text(json_t *tier, const struct option_info *info, struct str text,
                               struct diag *d);

/* The tier that K6_ environment variables make. `get` is getenv or a test's. Owned by the caller.
 */
MUST_USE int options_read_env(const char *(*get)(const char *name), json_t **tier, struct diag *d);
/* "K6_BATCH_PER_HOST" for batchPerHost; false when it can't be set there. `out` holds 64 bytes. */
bool option_env_name(const struct option_info *info, char *out, size_t size);

/* --- typed values, with the table's defaults ---------------------------------------------- */

bool options_is_set(const struct options *o, enum option_id id);
bool options_bool(const struct options *o, enum option_id id);
int64_t options_int(const struct options *o, enum option_id id); /* sizes too */
int64_t options_nsec(const struct options *o, enum option_id id);
struct str options_text(const struct options *o, enum option_id id); /* empty when unset */
/* The list; default lists are made on demand. A new reference: json_decref it. Never NULL. */
json_t *options_list(const struct options *o, enum option_id id);
/* A map or object; NULL when unset. Borrowed. */
const json_t *options_object(const struct options *o, enum option_id id);

/* Everything in k6's shape and order, null where unset. A new reference. */
json_t *options_to_json(const struct options *o);
/* JSON text as k6 prints it: two spaces, <, > and & escaped. Heap. */
char *options_json_text(const json_t *json);

/* A duration of JSON: text, or a number of milliseconds. */
MUST_USE int options_json_nsec(const json_t *json, int64_t *nsec, struct diag *d);

#endif

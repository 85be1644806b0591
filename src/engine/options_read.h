/* Checking of one option's JSON and reading of its text; options.c merges what comes out. */
#ifndef ENGINE_OPTIONS_READ_H
#define ENGINE_OPTIONS_READ_H

#include "engine/options.h"

/* The checked form of `in`: a new reference. ERR_INVALID with a message without the option's name.
 */
MUST_USE int option_check(enum option_kind kind, const json_t *in, json_t **out, struct diag *d);

/* Text to JSON, unchecked but for what only text can get wrong. */
MUST_USE int option_from_text(enum option_kind kind, struct str text, json_t **out, struct diag *d);

/* "512MB", "1.5GiB", "1000": bytes. */
bool option_parse_size(struct str text, int64_t *out);

#endif

/* Durations as k6 writes them: "1h2m3s4ms", also with "d", "us"/"µs" and "ns", with fractions.
 *
 * Source of the rules: k6-features.md CFG-07. */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

/* Parses the whole of `s` ("-1m30s", "1.5h", "0"). ERR_SYNTAX when it is no duration, ERR_LIMIT
 * when it does not fit 292 years. */
MUST_USE
int duration_parse(struct str s, int64_t *nsec);

/* The same, and a bare number is milliseconds ("1500", "0.5"): what stands in options and params.
 */
MUST_USE
int duration_parse_msec(struct str s, int64_t *nsec);

/* As Go prints a duration, which is how k6 shows it: "1m30s", "10m0s", "300ms", "1.5s", "0s".
 * `out` holds at least 32 bytes. Returns `out`. */
char *duration_format(int64_t nsec, char *out, size_t size);

#endif

/* The text forms of Timestamp, Duration and FieldMask in JSON. */
#ifndef PROTO_PB_WELL_KNOWN_H
#define PROTO_PB_WELL_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* "1972-01-01T10:00:20.021Z": 0, 3, 6 or 9 digits of fraction; false outside years 1 to 9999. */
bool pb_timestamp_format(int64_t seconds, int32_t nanos, struct buf *out);
/* RFC 3339 with any offset. */
bool pb_timestamp_parse(struct str text, int64_t *seconds, int32_t *nanos);

/* "1.000340012s"; false outside 10,000 years or with signs that disagree. */
bool pb_duration_format(int64_t seconds, int32_t nanos, struct buf *out);
bool pb_duration_parse(struct str text, int64_t *seconds, int32_t *nanos);

#endif

/* GJSON paths over JSON text, as k6's res.json(selector) has them. */
#ifndef SCRIPT_HTTP_GJSON_H
#define SCRIPT_HTTP_GJSON_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* The value's own JSON text, or a made one, in `out`; false: there is none. */
bool gjson_get(struct str json, struct str path, struct buf *out);
/* As above, but a string as its text. */
bool gjson_get_text(struct str json, struct str path, struct buf *out);

#endif

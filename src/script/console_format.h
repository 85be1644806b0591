/* Values as console.* shows them (k6-features.md GLB-01). */
#ifndef SCRIPT_CONSOLE_FORMAT_H
#define SCRIPT_CONSOLE_FORMAT_H

#include <quickjs.h>

#include "base/buf.h"

/* Appends one argument of console.log. Never throws; what can't be read is shown as such. */
void console_format(JSContext *ctx, JSValueConst v, struct buf *out);

#endif

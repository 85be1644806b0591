/* Lines at the bottom of a terminal that are drawn over while the log scrolls above them; elsewhere
 * they are printed as they come. Standard output; main's thread, but for the log's own drawing. */
#ifndef CLI_OVERLAY_H
#define CLI_OVERLAY_H

#include <stdbool.h>

#include "base/str.h"

struct overlay;

struct overlay *overlay_new(void);
bool overlay_is_terminal(const struct overlay *o);
/* Shows the text (whole lines) from now on; lines longer than the terminal are cut. */
void overlay_set(struct overlay *o, struct str text);
/* Takes it away. NULL is allowed. */
void overlay_free(struct overlay *o);

#endif

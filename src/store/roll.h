/* Ten minutes of a series: its minutes merged into rows of longer points. Internal to src/store. */
#ifndef STORE_ROLL_H
#define STORE_ROLL_H

#include <stdint.h>

#include "base/compiler.h"

struct tidy;

/* The ten minutes from second `start` on, in place of what was made of them before. 1: there is
 * something, 0: there is nothing of them. */
MUST_USE int roll_series(const struct tidy *t, uint32_t series, int64_t start);

#endif

#include "base/ensure.h"

#include <stdio.h>
#include <stdlib.h>

void ensure_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "gale: bug: '%s' does not hold at %s:%d; please report it\n", cond, file, line);
    abort();
}

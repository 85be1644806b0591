/* Error numbers: what functions return when they fail.
 *
 * Zero and above is success; ERR_ values lie below -10000 so that negative errno values (-EPIPE)
 * pass through the same int. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/compiler.h"

enum err {
    ERR_FIRST_ = -20000,
#define ERR(name, k6_code, text) ERR_##name,
#include "base/err.def"
#undef ERR
    ERR_LAST_
};

/* A short English text; never NULL. Not thread-dependent, not to be freed. */
const char *err_text(int err);

/* k6's error_code for it (k6 documentation, "Error codes"); 1000 for what has no better one. */
int err_k6_code(int err);

#endif

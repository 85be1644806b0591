/* ensure(): an assertion that stays on in release.
 *
 * It is for gale's own bugs only: input from a script, a peer or an operator never reaches it. */
#ifndef BASE_ENSURE_H
#define BASE_ENSURE_H

#include "base/compiler.h"

_Noreturn void ensure_failed(const char *cond, const char *file, int line);

#define ensure(cond) (LIKELY(cond) ? (void)0 : ensure_failed(#cond, __FILE__, __LINE__))

#endif

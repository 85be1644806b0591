/* Modules over the network, as the flags want them: who may be asked, the lock beside the script,
 * the cache of the user. */
#ifndef CLI_IMPORTS_H
#define CLI_IMPORTS_H

#include "base/compiler.h"
#include "base/diag.h"

struct args;
struct files;
struct remote;

/* Makes `files` fetch modules for the script of that URL; *out has to outlive it. ERR_INVALID with
 * a message for a flag that says nothing. */
MUST_USE int imports_open(const struct args *args, const char *script_url, struct files *files,
                          struct remote **out, struct diag *d);
/* Writes the lock; a warning is logged when that fails. */
void imports_save(struct remote *remote);

#endif

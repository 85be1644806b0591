/* Certificates and keys that a flag names. */
#ifndef CLI_PEM_FILE_H
#define CLI_PEM_FILE_H

#include "base/compiler.h"
#include "base/diag.h"

/* The file's text (heap). With a message that names the flag. */
MUST_USE int pem_file_read(const char *flag, const char *path, char **out, struct diag *d);

#endif

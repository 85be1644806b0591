/* What the auth files share; nobody else includes it. */
#ifndef PROTO_AUTH_INTERNAL_H
#define PROTO_AUTH_INTERNAL_H

#include "proto/auth.h"

/* `prefix` and the base64 of `bytes`, in the arena. */
struct str auth_base64(const char *prefix, struct str bytes, struct arena *a);

#endif

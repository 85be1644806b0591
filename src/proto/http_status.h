/* The reason phrases of status codes, for protocols that do not send them. */
#ifndef PROTO_HTTP_STATUS_H
#define PROTO_HTTP_STATUS_H

#include "base/arena.h"
#include "base/str.h"

/* "200 OK", as a response of HTTP/1.1 says it (RFC 9110 15 and the registry's later ones); a code
 * without a phrase is followed by a space alone, as Go has it. In the arena. */
struct str http_status_line(int status, struct arena *a);

#endif

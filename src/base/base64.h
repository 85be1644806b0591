/* Base64 (RFC 4648). */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

enum base64_alphabet { BASE64_STD, BASE64_URL };

void base64_encode(struct str bytes, enum base64_alphabet alphabet, bool padded, struct buf *out);

/* Either alphabet, with or without padding. False: it is none; `out` may have a part then. */
bool base64_decode(struct str text, struct buf *out);

/* What a character of either alphabet stands for, 0 to 63; -1: it is of none. */
int base64_digit(char c);

#endif

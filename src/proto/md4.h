/* MD4 (RFC 1320): what NTLM hashes passwords with. Broken as a hash, and only ever used there;
 * OpenSSL 3 has it in its legacy module alone, which is rarely loaded. */
#ifndef PROTO_MD4_H
#define PROTO_MD4_H

#include <stddef.h>

enum { MD4_SIZE = 16 };

void md4(const void *data, size_t len, unsigned char out[MD4_SIZE]);

#endif

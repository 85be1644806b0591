#include "proto/auth.h"

#include <string.h>

#include "proto/auth_internal.h"

#include <openssl/evp.h>

struct str auth_base64(const char *prefix, struct str bytes, struct arena *a)
{
    size_t prefix_len = strlen(prefix);
    char *text = arena_alloc(a, prefix_len + (bytes.len + 2) / 3 * 4 + 1);
    int len;

    memcpy(text, prefix, prefix_len);
    len = EVP_EncodeBlock((unsigned char *)text + prefix_len, (const unsigned char *)bytes.ptr,
                          (int)bytes.len);
    return str_from(text, prefix_len + (size_t)len);
}

struct str auth_basic(struct str user, struct str password, struct arena *a)
{
    char *pair = arena_alloc(a, user.len + 1 + password.len);

    if (user.len)
        memcpy(pair, user.ptr, user.len);
    pair[user.len] = ':';
    if (password.len)
        memcpy(pair + user.len + 1, password.ptr, password.len);
    return auth_base64("Basic ", str_from(pair, user.len + 1 + password.len), a);
}

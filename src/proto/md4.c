#include "proto/md4.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 64 };

static uint32_t rotate(uint32_t x, unsigned by)
{
    return x << by | x >> (32 - by);
}

static void add_block(uint32_t state[4], const unsigned char *block)
{
    static const unsigned char shifts[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
    static const unsigned char order[3][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15},
        {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15},
    };
    static const uint32_t constants[3] = {0, 0x5a827999, 0x6ed9eba1};
    uint32_t s[4];
    uint32_t x[16];

    memcpy(s, state, sizeof s);
    memcpy(x, block, sizeof x);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 16; i++) {
            /* The registers take turns: a, d, c, b. */
            uint32_t *a = &s[(4 - i % 4) % 4];
            uint32_t b = s[(5 - i % 4) % 4];
            uint32_t c = s[(6 - i % 4) % 4];
            uint32_t d = s[(7 - i % 4) % 4];
            uint32_t f = round == 0   ? (b & c) | (~b & d)
                         : round == 1 ? (b & c) | (b & d) | (c & d)
                                      : b ^ c ^ d;

            *a = rotate(*a + f + le32toh(x[order[round][i]]) + constants[round],
                        shifts[round][i % 4]);
        }
    }
    for (unsigned i = 0; i < 4; i++)
        state[i] += s[i];
}

void md4(const void *data, size_t len, unsigned char out[MD4_SIZE])
{
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    unsigned char last[BLOCK * 2] = {0};
    uint64_t bits = htole64((uint64_t)len * 8);
    const unsigned char *at = data;
    size_t left = len;
    size_t last_len;

    for (; left >= BLOCK; at += BLOCK, left -= BLOCK)
        add_block(state, at);
    if (left)
        memcpy(last, at, left);
    last[left] = 0x80;
    last_len = left + 9 <= BLOCK ? BLOCK : BLOCK * 2;
    memcpy(last + last_len - 8, &bits, sizeof bits);
    for (size_t i = 0; i < last_len; i += BLOCK)
        add_block(state, last + i);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t word = htole32(state[i]);

        memcpy(out + i * 4, &word, sizeof word);
    }
}

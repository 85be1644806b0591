/* The greatest common divisor, to keep fractions small. */
#ifndef BASE_GCD_H
#define BASE_GCD_H

#include <stdint.h>

/* gcd(a, 0) is a. */
static inline uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

#endif

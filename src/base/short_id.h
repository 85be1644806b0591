/* Ids that people read and type: 12 characters of lower-case Crockford base 32 (no i, l, o, u).
 *
 * They sort by the time of their making: 40 bits of milliseconds since 2020, then 20 random ones,
 * so that two of the same millisecond are the same once in a million. */
#ifndef BASE_SHORT_ID_H
#define BASE_SHORT_ID_H

#include <stdint.h>

enum { SHORT_ID_SIZE = 13 }; /* with the NUL */

void short_id_new(int64_t wall_nsec, char out[SHORT_ID_SIZE]);

#endif

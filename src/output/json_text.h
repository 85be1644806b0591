/* JSON text as k6 writes it: numbers with as few digits as read back to the same value, strings
 * that are UTF-8 whatever went in. */
#ifndef OUTPUT_JSON_TEXT_H
#define OUTPUT_JSON_TEXT_H

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/* "0.1", "1e-7", "12"; null for what JSON can't say (NaN, infinities). */
void json_text_number(struct buf *out, double value);

/* Quoted and escaped; bytes that are not UTF-8 become U+FFFD. */
void json_text_string(struct buf *out, struct str s);

/* The whole value; `indent` blanks a level, 0: on one line. Heap. */
char *json_text(const json_t *json, size_t indent);

#endif

/* What a JSON body may have: a table of fields, checked before anything else looks at it. Internal
 * to src/api. */
#ifndef API_BODY_H
#define API_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"

enum body_kind {
    BODY_TEXT,   /* of at most `max` characters */
    BODY_WORD,   /* one of `words`, with a blank between them */
    BODY_TEXTS,  /* an object of at most `max` texts of at most `each` characters */
    BODY_OBJECT, /* an object of at most `max` fields, or any for 0 */
    BODY_LIST,   /* an array of 1 to `max` items */
    BODY_INT,    /* 1 to `max` */
    BODY_ANY,    /* looked at by the operation */
};

struct body_field {
    const char *name;
    enum body_kind kind;
    size_t max;
    size_t each;
    const char *words;
    bool is_needed; /* a text has a character then */
};

/* ERR_INVALID with a message; the place in `d` is a JSON pointer to what is wrong. */
MUST_USE int body_check(const json_t *body, const struct body_field *fields, size_t count,
                        struct diag *d);

/* The text of a field; `otherwise` when it is not there. */
const char *body_text(const json_t *body, const char *name, const char *otherwise);

#endif

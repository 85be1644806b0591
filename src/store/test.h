/* Tests and the versions of their scripts.
 *
 * Texts are NUL-terminated and borrowed both ways: what a callback is given is valid during the
 * call, which must not use the store. Times are wall nanoseconds; 0: never. */
#ifndef STORE_TEST_H
#define STORE_TEST_H

#include "store/store.h"

struct store_test {
    const char *id;
    const char *name;
    const char *description;
    const char *labels; /* {"team":"shop"} */
    int64_t created;
    int64_t updated;
    /* The store's own, from here on. */
    int64_t latest_version; /* 0: none */
    int64_t run_count;
    const char *baseline; /* a run's id; NULL: none */
    struct {
        const char *id; /* NULL: there is none */
        const char *phase;
        const char *result; /* NULL: none yet */
        int64_t started;
    } last_run;
};

/* -EEXIST when the id is taken. */
MUST_USE int store_add_test(struct store *s, const struct store_test *test, struct diag *d);
/* Name, description, labels and `updated`. */
MUST_USE int store_update_test(struct store *s, const struct store_test *test, struct diag *d);
/* With its versions and runs. -EBUSY when one of those has not ended. */
MUST_USE int store_delete_test(struct store *s, const char *id, struct diag *d);
MUST_USE int store_get_test(struct store *s, const char *id,
                            void (*fn)(void *arg, const struct store_test *test), void *arg,
                            struct diag *d);

struct store_test_filter {
    const char *text;   /* part of the name, in any case of ASCII letters; NULL: any */
    const char *labels; /* all of them: a JSON object; NULL: any */
};

/* The one that was used last first. 1: there are more, 0: that was the last. */
MUST_USE int store_list_tests(struct store *s, const struct store_test_filter *filter,
                              struct store_page *page,
                              void (*fn)(void *arg, const struct store_test *test), void *arg,
                              struct diag *d);

/* --- versions ----------------------------------------------------------------------------- */

enum { STORE_SHA256_SIZE = 32, STORE_MAX_CONTENT = 64 * 1024 * 1024 };

struct store_version {
    const char *test;
    int64_t version;  /* from 1; given by the store */
    const char *kind; /* "script", "archive" */
    const char *filename;
    const char *found; /* JSON: the options in it; "" in lists */
    const char *created_by;
    int64_t created;
    int64_t bytes; /* of the content; the store's own */
    unsigned char sha256[STORE_SHA256_SIZE];
};

/* Adds the next version of the test; *number is its number. When the latest one has the same
 * sha256, that is *number and nothing is added: 1, else 0. ERR_LIMIT past STORE_MAX_CONTENT. */
MUST_USE int store_add_version(struct store *s, const struct store_version *version,
                               struct str content, int64_t *number, struct diag *d);
/* `version` 0: the latest. */
MUST_USE int store_get_version(struct store *s, const char *test, int64_t version,
                               void (*fn)(void *arg, const struct store_version *version),
                               void *arg, struct diag *d);
MUST_USE int store_get_content(struct store *s, const char *test, int64_t version,
                               void (*fn)(void *arg, struct str content), void *arg,
                               struct diag *d);
/* Newest first. 1: there are more. */
MUST_USE int store_list_versions(struct store *s, const char *test, struct store_page *page,
                                 void (*fn)(void *arg, const struct store_version *version),
                                 void *arg, struct diag *d);

#endif

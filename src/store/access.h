/* Who may do what, and what was answered before: tokens, answers to idempotency keys, and what is
 * known of regions.
 *
 * A token's text is never here: only its SHA-256. Texts and times as in run.h. */
#ifndef STORE_ACCESS_H
#define STORE_ACCESS_H

#include "store/store.h"
#include "store/test.h"

/* --- tokens ------------------------------------------------------------------------------- */

struct store_token {
    const char *id;
    const char *name;
    const char *role;
    const char *run; /* the only one that it opens; NULL: not bound to one */
    unsigned char hash[STORE_SHA256_SIZE];
    const char *created_by;
    int64_t created;
    int64_t expires; /* 0: never */
    int64_t used;    /* last; 0: never */
};

MUST_USE int store_add_token(struct store *s, const struct store_token *token, struct diag *d);
/* ERR_NOT_FOUND when there is none of that hash; expired ones are found. */
MUST_USE int store_find_token(struct store *s, const unsigned char hash[STORE_SHA256_SIZE],
                              void (*fn)(void *arg, const struct store_token *token), void *arg,
                              struct diag *d);
MUST_USE int store_note_token_used(struct store *s, const char *id, int64_t wall_nsec,
                                   struct diag *d);
/* One of `run`, or (NULL) one that is bound to none: ERR_NOT_FOUND when there is no such; -EBUSY
 * when it is the last admin's that has not expired at `now`. */
MUST_USE int store_delete_token(struct store *s, const char *id, const char *run, int64_t now,
                                struct diag *d);
/* All of them, in no order. */
MUST_USE int store_each_token(struct store *s,
                              void (*fn)(void *arg, const struct store_token *token), void *arg,
                              struct diag *d);
/* Those of `run`, or (NULL) those that are not bound to one; newest first. 1: there are more. */
MUST_USE int store_list_tokens(struct store *s, const char *run, struct store_page *page,
                               void (*fn)(void *arg, const struct store_token *token), void *arg,
                               struct diag *d);

/* --- answers ------------------------------------------------------------------------------ */

struct store_answer {
    unsigned char request[STORE_SHA256_SIZE]; /* of method, path and body */
    int64_t status;                           /* 0: being worked on */
    const char *body;
    int64_t created;
};

struct store_answer_key {
    const char *token; /* the id */
    const char *key;
};

/* Claims a token's idempotency key for a request: 0 when it is new, or a day old, and the answer is
 * put later; 1 when it is known, and fn is called with what is there. */
MUST_USE int store_claim_answer(struct store *s, const struct store_answer_key *key,
                                const struct store_answer *claim,
                                void (*fn)(void *arg, const struct store_answer *known), void *arg,
                                struct diag *d);
MUST_USE int store_put_answer(struct store *s, const struct store_answer_key *key, int64_t status,
                              const char *body, struct diag *d);
/* The work failed: the key is free again. */
MUST_USE int store_release_answer(struct store *s, const struct store_answer_key *key,
                                  struct diag *d);

/* All that were being worked on when their process ended are free again. */
MUST_USE int store_release_answers(struct store *s, struct diag *d);

/* --- regions ------------------------------------------------------------------------------ */

struct store_region {
    const char *name;
    const char *title;
    double latitude; /* NAN: unknown */
    double longitude;
    const char *provisioner; /* NULL: none */
    int64_t agents_wanted;   /* -1: not said */
};

MUST_USE int store_put_region(struct store *s, const struct store_region *region, struct diag *d);
/* By name. */
MUST_USE int store_list_regions(struct store *s,
                                void (*fn)(void *arg, const struct store_region *region), void *arg,
                                struct diag *d);

#endif

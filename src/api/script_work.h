/* Operations that read a script first: that takes a child process, so they go on a fiber. Internal
 * to src/api. */
#ifndef API_SCRIPT_WORK_H
#define API_SCRIPT_WORK_H

#include "api/stored_internal.h"
#include "fleet/prepared.h"
#include "store/test.h"

/* A script or an archive as it was uploaded, and what it turned out to be. */
struct script_work {
    const char *name;          /* in the arena of who uses it */
    struct str input;          /* owned */
    struct prepared *prepared; /* owned; NULL: not read */
    const json_t *env;
    const json_t *changes; /* fleet/prepared.h */
    int code;
    struct diag diag;
};

void script_work_deinit(struct script_work *w);

/* "checkout.js", or what the content says it is; and that as the store has it ("script",
 * "archive"). */
const char *script_name(struct arena *a, struct str content, const char *given);
const char *script_kind(struct str content);
/* A name as the contract has it: no directories, no control characters. */
bool script_name_is_valid(const char *name);

/* Reads it: 0, or ERR_INVALID with a message and its place. */
MUST_USE
YIELDS
int script_read(const struct controller *c, struct script_work *w);
/* Answers with the problem: the script's error at its place. */
void script_refuse(struct api_request *r, const struct script_work *w);

/* The version of a test that a script is; its texts are the arena's. */
void script_version(struct arena *a, const struct script_work *w, struct store_version *out);

#endif

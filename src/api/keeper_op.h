/* One thing to be put into the store. Internal to src/api. */
#ifndef API_KEEPER_OP_H
#define API_KEEPER_OP_H

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/short_id.h"
#include "metrics/window.h"
#include "store/run.h"
#include "store/test.h"

enum keep_kind { KEEP_BEGIN, KEEP_PHASE, KEEP_EVENT, KEEP_LOG, KEEP_WINDOW };

struct keep_op {
    struct keep_op *next;
    enum keep_kind kind;
    char run[SHORT_ID_SIZE];
    struct arena arena; /* of all texts and of the window's series */
    int64_t wall_nsec;
    int64_t second;
    const char *region; /* NULL: of none, as is the agent */
    const char *agent;
    const char *word; /* an event's kind, a log's source, a run's phase */
    const char *severity;
    const char *text; /* of events and logs; at the beginning the script's name */
    enum log_level level;
    struct store_phase phase;
    const char *spec;
    struct str content; /* of the archive */
    unsigned char sha256[STORE_SHA256_SIZE];
    struct window window;
};

NEVER_NULL struct keep_op *keep_op_new(enum keep_kind kind, const char *run);
void keep_op_free(struct keep_op *op);
/* Copies the window with its series. */
void keep_op_set_window(struct keep_op *op, const struct window *w);

/* Within a transaction. What a journal's bound refuses is left out. */
MUST_USE int keep_op_apply(const struct keep_op *op, struct store *s, struct diag *d);

#endif

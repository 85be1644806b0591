/* One thing to be put into the store (keeper.h). */
#ifndef API_KEEPER_OP_H
#define API_KEEPER_OP_H

#include <jansson.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/short_id.h"
#include "metrics/window.h"
#include "store/journal.h"
#include "store/run.h"
#include "store/test.h"

struct exemplars;

enum keep_kind {
    KEEP_BEGIN,
    KEEP_PHASE,
    KEEP_EVENT,
    KEEP_LOG,
    KEEP_WINDOW,
    KEEP_THRESHOLDS, /* all of them, as they are now; so are its */
    KEEP_AGENTS,
    KEEP_EXEMPLARS,
};

/* What was asked for, at the beginning. */
struct keep_asked {
    const char *test; /* "": the one of the script's name */
    int64_t version;
    const char *test_name;
    const char *name;
    const char *notes;
    const char *labels;
    const char *created_by;
    const char *rerun_of; /* NULL: of none */
    const char *plan;
    const char *spec;
};

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
    struct keep_asked asked;
    struct store_threshold *thresholds; /* in the arena, as are the agents */
    struct store_agent *agents;
    size_t count;       /* of either */
    struct str content; /* of the archive */
    unsigned char sha256[STORE_SHA256_SIZE];
    struct window window;
    struct store_exemplar *exemplars; /* in the arena, as their texts */
    size_t exemplar_count;
};

NEVER_NULL struct keep_op *keep_op_new(enum keep_kind kind, const char *run);
void keep_op_free(struct keep_op *op);
/* Copies the window with its series. */
void keep_op_set_window(struct keep_op *op, const struct window *w);

/* --- from what is shown of a run, in the schemas of docs/api/openapi.yaml; the views are taken ---
 */

/* Of an Event or a LogLine. */
NEVER_NULL struct keep_op *keep_op_line(enum keep_kind kind, const char *run, int64_t wall_nsec,
                                        json_t *view);
NEVER_NULL struct keep_op *keep_op_window(const char *run, const char *region, int64_t second,
                                          const struct window *w);
/* Of a Run; times 0: not yet. */
void keep_op_set_phase(struct keep_op *op, json_t *view, int64_t started, int64_t ended);
/* Of a ThresholdList or a RunAgentList; NULL: they are empty. */
struct keep_op *keep_op_thresholds(const char *run, json_t *view);
struct keep_op *keep_op_agents(const char *run, json_t *view);
/* As text in the op's arena. */
const char *keep_op_json(struct keep_op *op, json_t *json);

/* All that a run has kept of them. */
NEVER_NULL struct keep_op *keep_op_exemplars(const char *run, const struct exemplars *e);

/* The test of that name, made when there is none. Within a transaction. */
MUST_USE int keep_find_test(struct store *s, const char *name, int64_t wall_nsec,
                            char id[SHORT_ID_SIZE], struct diag *d);

/* Within a transaction. What a journal's bound refuses is left out. */
MUST_USE int keep_op_apply(const struct keep_op *op, struct store *s, struct diag *d);

#endif

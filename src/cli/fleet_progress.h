/* What the terminal shows while a run goes on, on a fleet: a line for the whole and one per region.
 */
#ifndef CLI_FLEET_PROGRESS_H
#define CLI_FLEET_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct fleet_progress {
    json_t *run;    /* as the snapshot had it */
    json_t *window; /* the latest second */
    json_t *agents;
    char *phase;
    int64_t second;
    int64_t _shown_nsec;
    int64_t _shown_second;
};

void fleet_progress_init(struct fleet_progress *p);
void fleet_progress_deinit(struct fleet_progress *p);
/* `address` is the controller's, as in http://127.0.0.1:6580. */
void fleet_progress_banner(const json_t *run, const char *script, const char *address, bool quiet);
/* Events of the live stream. */
void fleet_progress_snapshot(struct fleet_progress *p, const json_t *data);
void fleet_progress_window(struct fleet_progress *p, const json_t *data);
void fleet_progress_phase(struct fleet_progress *p, const json_t *data);
void fleet_progress_agents(struct fleet_progress *p, const json_t *data);
/* Whether it is time to show something: each change on a terminal, elsewhere every five seconds. */
bool fleet_progress_is_due(struct fleet_progress *p, bool terminal);
void fleet_progress_lines(const struct fleet_progress *p, struct buf *out);

#endif

/* The event streams of runs (GET /api/v1/runs/{run}/live), whoever makes the runs: what happens to
 * one is said here once, and sent to all who follow it. Who reads too slowly is sent away, and may
 * come again.
 *
 * Threads: the loop's. Internal to src/api. */
#ifndef API_LIVES_H
#define API_LIVES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct api_call;
struct lives; /* all streams */
struct loop;

enum { LIVES_MAX = 1024 }; /* streams at once */

struct lives *lives_new(struct loop *loop);
void lives_stop(struct lives *lives); /* ends all of them; before the server's end */
void lives_free(struct lives *lives); /* after it was stopped */

/* Answers the call with a stream that begins with a Snapshot, which is taken; of a run that has
 * ended it is that and its end. */
void lives_add(struct lives *lives, const struct api_call *call, json_t *snapshot);

/* Nothing need be made for a run that nobody follows. */
bool lives_are_followed(const struct lives *lives, const char *run);
/* Calls fn for each run that is followed; it may end its streams. */
void lives_each(struct lives *lives, void (*fn)(void *arg, const char *run), void *arg);
size_t lives_count(const struct lives *lives);

/* To all who follow the run; takes the data. */
void lives_send(struct lives *lives, const char *run, const char *event, json_t *data);
/* The end of the run's streams, with the Run as it is then (NULL: somebody else knows how it goes
 * on) and before it, if not NULL, an Export; both are taken. */
void lives_end(struct lives *lives, const char *run, json_t *all, json_t *view);
/* Ends those that the token's owner follows. */
void lives_end_caller(struct lives *lives, const char *token);

#endif

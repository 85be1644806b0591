/* Answers from the store: runs that have left the controller's memory, tests and their versions,
 * metrics over time of any run. */
#ifndef API_STORED_H
#define API_STORED_H

#include <stddef.h>

struct api_request;
struct controller;
struct keeper;

struct stored_context {
    struct keeper *keeper;
    struct controller *controller;
};

/* GET /runs: those in memory as they are now, the others as they ended. */
void stored_list_runs(const struct stored_context *c, struct api_request *r);
/* GET /runs/{run}/..., path[3] and on; of a run that is not in memory. */
void stored_run(const struct stored_context *c, struct api_request *r, char *const *path,
                size_t count);
/* GET /runs/{run}/metrics and series, of any run. */
void stored_metrics(const struct stored_context *c, struct api_request *r, char *const *path);
/* GET /tests, /tests/{test} and its versions. */
void stored_tests(const struct stored_context *c, struct api_request *r, char *const *path,
                  size_t count);

#endif

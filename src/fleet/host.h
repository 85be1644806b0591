/* What the fleet needs of the program around it: to make a runner out of an archive. The script
 * host is above this layer; cli/fleet_host.c is the implementation, tests have one without
 * JavaScript. */
#ifndef FLEET_HOST_H
#define FLEET_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/map.h"
#include "base/str.h"

struct options;
struct runner;
struct scenario_list;
struct window;

/* A loaded test; the host's own fields follow it. */
struct host_test {
    const struct options *options;
    const struct scenario_list *scenarios; /* scaled */
};

struct host_load {
    struct str archive;     /* a tar's bytes; stays until the test is freed */
    const struct map *env;  /* char * by name: over the archive's own */
    const struct map *tags; /* char * by name: for all samples */
    uint64_t scale_num;     /* the load is multiplied by this fraction */
    uint64_t scale_den;
};

/* Who wants the windows of an agent's parts besides the controller: outputs of its own. */
struct host_sink {
    void *arg;
    /* Each second of each part, on the loop; some may be NULL, all stay the caller's. NULL: nobody.
     */
    void (*second)(void *arg, struct window *const *windows, size_t count);
    bool keep_samples; /* windows carry every sample */
    bool keep_spans;   /* and every request whose trace is recorded */
};

struct host {
    void *arg;
    /* Reads the archive and runs the init context; may take as long as the script does. Called on a
     * thread of the offload pool. 0, or the exit code of the test with a message. */
    int (*load)(void *arg, const struct host_load *what, struct host_test **out, struct diag *d);
    void (*unload)(void *arg, struct host_test *test);
    /* Whether this machine's operator lets it run that much at once: 0, or an error with a message.
     * `rate`: iterations per second of arrival rates. */
    int (*allow)(void *arg, uint64_t vus, double rate, struct diag *d);
    /* One per part; the test outlives it. */
    struct runner *(*runner_new)(void *arg, struct host_test *test);
    void (*runner_free)(void *arg, struct runner *runner);
    struct host_sink sink;
};

#endif

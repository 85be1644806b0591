/* A test script, loaded: compiled to bytecode, its init context run once, its options known.
 *
 * script_open runs the init context on a loop of its own on the calling thread (main), which finds
 * out the options, the exported functions, every module and file that the script reads, the custom
 * metrics, and builds its SharedArrays. All of that is frozen then and shared by all VUs. */
#ifndef SCRIPT_SCRIPT_H
#define SCRIPT_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/map.h"
#include "base/str.h"
#include "metrics/metric.h"

struct files;
struct network;
struct options;
struct runner;
struct secrets;
struct scenario_list;
struct script;

struct script_open {
    const char *url;         /* "file:///dir/x.js"; its text comes from `files` */
    struct files *files;     /* taken over */
    const struct map *env;   /* __ENV: char * by name; copied */
    bool freeze_env;         /* __ENV can't be written to */
    bool base_mode;          /* k6's compatibility mode "base": there is no `global` */
    size_t memory_limit;     /* bytes of a VU's runtime; 0: 512 MB */
    struct secrets *secrets; /* taken over, also on failure; NULL: none */
    int64_t timeout_nsec;    /* of the init context's run; 0: none */
};

/* On an error (syntax, exception, missing file: exit code 107) `d` has file, line, column, and in
 * its message the text with the source line and the stack. */
MUST_USE int script_open(const struct script_open *how, struct script **out, struct diag *d);
void script_free(struct script *script);

const char *script_url(const struct script *script);
struct files *script_files(const struct script *script);
/* JSON text of `export const options` ("{}" without one). */
const char *script_options_json(const struct script *script);
bool script_has_function(const struct script *script, struct str name);
/* Whether it exports at least one function. */
bool script_has_any_function(const struct script *script);
/* The metrics that the init context made, the built-in ones among them. */
const struct metric_registry *script_metrics(const struct script *script);
/* Built-in modules that it imports ("k6", "k6/http"), in order of import; NULL at the end. */
const char *const *script_builtins(const struct script *script);

/* The runner of the script under these options, in that network (net/dialer.h; NULL: nothing
 * special about it); all of them outlive it. Free it with script_runner_free. */
struct runner *script_runner_new(struct script *script, const struct options *options,
                                 const struct scenario_list *scenarios,
                                 const struct network *network);
void script_runner_free(struct runner *runner);

#endif

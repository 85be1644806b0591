/* k6's archives: a tar with metadata.json, the main script as `data`, and every file that it read
 * under file/, and https/ for modules that came over the network (k6-features.md section 28). */
#ifndef CLI_ARCHIVE_H
#define CLI_ARCHIVE_H

#include <jansson.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/map.h"
#include "base/str.h"

struct files;
struct metric_registry;

struct archive_content {
    json_t *metadata;    /* owned */
    char *main_url;      /* "file:///dir/x.js"; owned */
    struct files *files; /* holds all of it and reads nothing else; owned until it is taken */
};

/* Reads a tar's bytes. ERR_SYNTAX with a message when it is none, or no archive of a test. */
MUST_USE int archive_read_test(struct str bytes, struct archive_content *out, struct diag *d);
void archive_content_deinit(struct archive_content *a);

struct archive_write_test {
    const char *path; /* "-": stdout */
    const char *main_url;
    const struct files *files;
    const json_t *options;
    const struct map *env;                 /* char * by name; NULL: left out */
    const struct metric_registry *metrics; /* those beyond the built-in ones are written down */
};
MUST_USE int archive_write_test_to(const struct archive_write_test *what, struct diag *d);

#endif

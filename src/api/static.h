/* The dashboard's files (web/), as the build has packed them into the binary. */
#ifndef API_STATIC_H
#define API_STATIC_H

#include <stdbool.h>
#include <stddef.h>

#include "api/server.h"

struct static_file {
    const char *path; /* "/assets/index-1a2b3c.js" */
    const char *content_type;
    const unsigned char *gzip; /* its content, compressed */
    size_t gzip_size;
};

extern const struct static_file static_files[];
extern const size_t static_file_count;

/* Answers with the file of the request's path, or with the page for the paths that the dashboard
 * itself routes: "/", "/new", "/compare" and "/runs/...". False: it is none of these, and nothing
 * was answered. */
bool static_answer(struct api_request *r);
/* Whether it is one of those paths. */
bool static_is_page(const char *path);

#endif

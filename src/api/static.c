/* Assets carry a hash of their content in their names, so that a browser may keep them for ever;
 * the page itself is asked for each time. Nothing runs or loads but what this server gave. */
#include "api/static.h"

#include <string.h>

#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "        \
    "'self'; "                                                                                     \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const struct static_file *find(const char *path)
{
    for (size_t i = 0; i < static_file_count; i++) {
        if (strcmp(static_files[i].path, path) == 0)
            return &static_files[i];
    }
    return NULL;
}

bool static_is_page(const char *path)
{
    return strcmp(path, "/") == 0 || strcmp(path, "/new") == 0 || strcmp(path, "/compare") == 0 ||
           strncmp(path, "/runs/", 6) == 0;
}

bool static_answer(struct api_request *r)
{
    const char *method = api_method(r);
    const char *path = api_path(r);
    bool page = static_is_page(path);
    const struct static_file *file;

    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return false;
    file = find(page ? "/index.html" : path);
    if (!file)
        return false;
    /* All browsers take gzip: one form of each file is enough. */
    api_add_header(r, "Content-Encoding", "gzip");
    api_add_header(r, "Cache-Control", page ? "no-cache" : "public, max-age=31536000, immutable");
    api_add_header(r, "Content-Security-Policy", POLICY);
    api_answer(r, 200, file->content_type, str_from((const char *)file->gzip, file->gzip_size));
    return true;
}

#include "proto/form.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "proto/url.h"

/* --- urlencoded --------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct form_field *const *x = a;
    const struct form_field *const *y = b;
    int order = str_cmp((*x)->name, (*y)->name);

    /* qsort is not stable; the array that the pointers point into has the order. */
    if (order == 0)
        return *x < *y ? -1 : *x > *y;
    return order;
}

void form_urlencode(const struct form_field *fields, size_t count, struct buf *out)
{
    const struct form_field **sorted = mem_calloc(count, sizeof(struct form_field *));

    for (size_t i = 0; i < count; i++)
        sorted[i] = &fields[i];
    if (count > 1)
        qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_char(out, '&');
        url_query_escape(sorted[i]->name, out);
        buf_append_char(out, '=');
        url_query_escape(sorted[i]->value, out);
    }
    mem_free(sorted);
}

/* --- multipart ---------------------------------------------------------------------------- */

void multipart_boundary(char *out)
{
    unsigned char bytes[30];

    rng_system(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + i * 2, 3, "%02x", bytes[i]);
}

/* A quoted string of Content-Disposition, escaped as browsers do (RFC 7578 4.2): what would end the
 * string or the line may not get through. */
static void append_quoted(struct str s, struct buf *out)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (c == '"' || c == '\\') {
            buf_append_char(out, '\\');
            buf_append_char(out, c);
        } else if (c == '\r' || c == '\n') {
            buf_append_c(out, c == '\r' ? "%0D" : "%0A");
        } else {
            buf_append_char(out, c);
        }
    }
    buf_append_char(out, '"');
}

/* A header's value without what would end its line. */
static void append_value(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '\r' && s.ptr[i] != '\n')
            buf_append_char(out, s.ptr[i]);
    }
}

static void append_part(const struct multipart_part *part, const char *boundary, struct buf *out)
{
    buf_append_c(out, "--");
    buf_append_c(out, boundary);
    buf_append_c(out, "\r\nContent-Disposition: form-data; name=");
    append_quoted(part->name, out);
    if (part->filename.ptr) {
        buf_append_c(out, "; filename=");
        append_quoted(part->filename, out);
        buf_append_c(out, "\r\nContent-Type: ");
        append_value(part->content_type.len ? part->content_type : STR("application/octet-stream"),
                     out);
    }
    buf_append_c(out, "\r\n\r\n");
    buf_append_str(out, part->data);
    buf_append_c(out, "\r\n");
}

void multipart_write(const struct multipart_part *parts, size_t count, const char *boundary,
                     struct buf *out)
{
    for (size_t i = 0; i < count; i++)
        append_part(&parts[i], boundary, out);
    buf_append_c(out, "--");
    buf_append_c(out, boundary);
    buf_append_c(out, "--\r\n");
}

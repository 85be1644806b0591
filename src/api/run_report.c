#include "api/run_report.h"

#include <string.h>

#include "base/buf.h"
#include "base/ensure.h"
#include "base/mem.h"
#include "output/json_text.h"

/* JSON within <script type="application/json">: nothing in it may look like a tag or end a line of
 * a script. Only texts can hold these characters. */
static void put_data(struct buf *out, const char *json)
{
    const char *from = json;

    for (const char *at = json; *at; at++) {
        const char *escaped = *at == '<' ? "\\u003c" : *at == '>' ? "\\u003e" : NULL;
        size_t len = 1;

        if (strncmp(at, "\xe2\x80\xa8", 3) == 0 || strncmp(at, "\xe2\x80\xa9", 3) == 0) {
            escaped = at[2] == '\xa8' ? "\\u2028" : "\\u2029";
            len = 3;
        }
        if (!escaped)
            continue;
        buf_append(out, from, (size_t)(at - from));
        buf_append_c(out, escaped);
        from = at + len;
        at = from - 1;
    }
    buf_append_c(out, from);
}

char *run_report_html(const json_t *data)
{
    static const struct str mark = STR_INIT("{\"data\":\"goes here\"}");
    struct str page = {(const char *)report_page, report_page_size};
    ptrdiff_t at = str_find_str(page, mark);
    struct buf out = BUF_INIT(SIZE_MAX);
    char *json = json_text(data, 0);

    ensure(at >= 0);
    buf_append(&out, page.ptr, (size_t)at);
    put_data(&out, json);
    buf_append_str(&out, str_from_index(page, (size_t)at + mark.len));
    mem_free(json);
    return buf_take(&out);
}

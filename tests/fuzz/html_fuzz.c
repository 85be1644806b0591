/* layer: script
 *
 * Pages and selectors: what is found lies in document order, once, below the top, and matches. The
 * input is a selector, a line feed, and a page. */
#include <stdint.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "script/html/dom.h"
#include "script/html/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_found(const struct selector *s, const struct dom *dom,
                        const struct node_list *found)
{
    for (size_t i = 0; i < found->count; i++) {
        ensure(found->nodes[i]->kind == DOM_ELEMENT);
        ensure(i == 0 || found->nodes[i]->order > found->nodes[i - 1]->order);
        ensure(dom_contains(dom_root(dom), found->nodes[i]));
        ensure(selector_matches(s, found->nodes[i]));
    }
}

/* A page that was written is read without complaint. */
static void check_written(const struct dom *dom)
{
    struct buf html = BUF_INIT(SIZE_MAX);
    struct buf text = BUF_INIT(SIZE_MAX);

    dom_append_inner_html(dom_root(dom), &html);
    dom_append_text(dom_root(dom), &text);
    ensure(text.len <= html.len);
    buf_deinit(&html);
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str page = {(const char *)data, size};
    struct str text = str_cut(&page, '\n');
    struct selector *s = NULL;
    struct dom *dom = NULL;
    struct diag d = DIAG_INIT;

    if (selector_compile(text, &s, &d) < 0)
        ensure(d.message);
    if (dom_parse(page, &dom, &d) == 0) {
        struct node_list found = {NULL, 0, 0};

        check_written(dom);
        if (s) {
            selector_find(s, dom_root(dom), &found);
            node_list_sort(&found);
            check_found(s, dom, &found);
            selector_apply_position(s, &found);
        }
        node_list_deinit(&found);
    }
    dom_unref(dom);
    selector_free(s);
    diag_deinit(&d);
    return 0;
}

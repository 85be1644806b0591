#include "script/html/selector.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "script/html/dom.h"
#include "support/test.h"

static const char page[] =
    "<!doctype html><html><head><title>T</title></head><body id='b'>"
    "<div id='a' class='x y'><p lang='en-GB'>one <b>bold</b></p><p class='sel'>two</p>"
    "<ul><li>1</li><li class='m'>2</li><li>3</li><li data-k='V w'>4</li></ul>"
    "<a href='https://h.test/p.pdf'>l</a><a>no</a><h2>head</h2></div>"
    "<form><input name='n' value='v'><input type=checkbox checked name='c'>"
    "<input type=radio disabled name='r'><select><option>o1</option><option selected>o2</option>"
    "</select><textarea></textarea><button>go</button></form><span></span></body></html>";

/* The texts of what is selected, joined by "|"; "!" and the message when it does not compile. */
static char *found(const char *selector)
{
    struct diag d = DIAG_INIT;
    struct buf out = BUF_INIT(SIZE_MAX);
    struct node_list list = {NULL, 0, 0};
    struct selector *s = NULL;
    struct dom *dom = NULL;

    CHECK_EQ(dom_parse(str_of(page), &dom, NULL), 0);
    if (selector_compile(str_of(selector), &s, &d)) {
        buf_printf(&out, "!%s", d.message);
    } else {
        selector_find(s, dom_root(dom), &list);
        selector_apply_position(s, &list);
        for (size_t i = 0; i < list.count; i++) {
            if (i > 0)
                buf_append_char(&out, '|');
            dom_append_text(list.nodes[i], &out);
        }
    }
    diag_deinit(&d);
    node_list_deinit(&list);
    selector_free(s);
    dom_unref(dom);
    return buf_take(&out);
}

static void check(const char *selector, const char *want)
{
    char *got = found(selector);

    test_equal_text(__FILE__, __LINE__, selector, got, want);
    mem_free(got);
}

TEST(selector_simple)
{
    check("title", "T");
    check("TITLE", "T");
    check("#a .sel", "two");
    check(".x.y > p.sel", "two");
    check("p", "one bold|two");
    check("b, li.m", "bold|2");
    check(".nope", "");
    check("div#a.x b", "bold");
    check("*.m", "2");
}

TEST(selector_attributes)
{
    check("a[href]", "l");
    check("a[href^='https:']", "l");
    check("a[href$=\".pdf\"]", "l");
    check("a[href*=h.test]", "l");
    check("li[data-k~=w]", "4");
    check("li[data-k='v W' i]", "4");
    check("p[lang|=en]", "one bold");
    check("a[href!='x']", "l|no");
    check("p[class]", "two");
    check("p[class='']", "");
}

TEST(selector_combinators)
{
    check("div > p", "one bold|two");
    check("body > p", "");
    check(".m + li", "3");
    check(".m ~ li", "3|4");
    check("p + p", "two");
    check("div ul > li:first-child", "1");
    check("html body div p b", "bold");
}

TEST(selector_pseudo_classes)
{
    check("li:nth-child(2)", "2");
    check("li:nth-child(odd)", "1|3");
    check("li:nth-child(2n)", "2|4");
    check("li:nth-child(-n+2)", "1|2");
    check("li:nth-child( 2n + 1 )", "1|3");
    check("li:nth-last-child(1)", "4");
    check("p:last-of-type", "two");
    check("h2:only-of-type", "head");
    check("li:not(.m)", "1|3|4");
    check("li:not(.m, :first-child)", "3|4");
    check("p:has(b)", "one bold");
    check("ul:has(> li.m)", "1234");
    check("ul:has(> b)", "");
    check("p:has(+ p)", "one bold");
    check("p:contains('old')", "one bold");
    check("p:containsOwn(old)", "");
    check(":is(h1, h2)", "head");
    check("div :header", "head");
    check("span:empty", "");
    check("option:selected", "o2");
    check("a:link", "l");
    check("title:root", "");
}

TEST(selector_positions)
{
    check("li:first", "1");
    check("li:last", "4");
    check("li:eq(2)", "3");
    check("li:eq(-1)", "4");
    check("li:lt(2)", "1|2");
    check("li:gt(1)", "3|4");
    check("li:even", "1|3");
    check("li:odd", "2|4");
    check("li:eq(9)", "");
}

TEST(selector_escapes)
{
    check("#\\61", "one boldtwo1234lnohead");
    check("li[data-k=\"V\\20 w\"]", "4");
}

TEST(selector_errors_show_the_place)
{
    check("", "!invalid selector '': it ends too early at position 1");
    check("p >", "!invalid selector 'p >': it ends too early at position 4");
    check("p[", "!invalid selector 'p[': a name was expected at position 3");
    check("p[a='x]", "!invalid selector 'p[a='x]': the string has no end at position 8");
    check("p:nope", "!invalid selector 'p:nope': unknown pseudo-class before at position 7");
    check("p:nth-child(x)",
          "!invalid selector 'p:nth-child(x)': an+b, odd or even was expected at position 15");
    check("p)", "!invalid selector 'p)': unexpected character at position 2");
    check(":not(:not(:not(:not(:not(:not(:not(:not(:not(:not(:not(:not(:not(:not(:not(:not(:not(p)"
          "))))))))))))))))",
          "!invalid selector ':not(:not(:not(:not(:not(:not(:not(:not(:not(:not(:not(:not(:not("
          ":not(:not(:not(:not(p)))))))))))))))))': too many nested pseudo-classes at position "
          "86");
}

TEST(dom_inner_and_outer_html)
{
    struct dom *dom;
    struct buf out = BUF_INIT(SIZE_MAX);
    const struct dom_node *node;

    CHECK_EQ(dom_parse(STR("<p title='a\"b'>x &amp; y<br><i>z</i><!--c--></p><script>a<b</script>"),
                       &dom, NULL),
             0);
    for (node = dom_root(dom); !dom_is_element(node, "body");)
        node = dom_walk(node, dom_root(dom));
    dom_append_inner_html(node, &out);
    CHECK_TEXT(out.data, "<p title=\"a&#34;b\">x &amp; y<br/><i>z</i><!--c--></p>"
                         "<script>a<b</script>");
    buf_reset(&out);
    dom_append_outer_html(dom_first_element(node), &out);
    CHECK(strncmp(out.data, "<p title", 8) == 0);
    CHECK(out.data[out.len - 1] == '>');
    buf_deinit(&out);
    dom_unref(dom);
}

static int parse_nested(const char *open, int count, struct diag *d)
{
    struct buf html = BUF_INIT(SIZE_MAX);
    struct buf out = BUF_INIT(SIZE_MAX);
    struct dom *dom = NULL;
    int err;

    for (int i = 0; i < count; i++)
        buf_append_c(&html, open);
    buf_append_c(&html, "x");
    err = dom_parse(buf_str(&html), &dom, d);
    if (err == 0) {
        dom_append_text(dom_root(dom), &out);
        CHECK_TEXT(out.data, "x");
        dom_append_inner_html(dom_root(dom), &out);
    }
    dom_unref(dom);
    buf_deinit(&html);
    buf_deinit(&out);
    return err;
}

TEST(dom_refuses_a_page_nested_100000_deep)
{
    struct diag d = DIAG_INIT;

    CHECK_EQ(parse_nested("<div>", 3000, NULL), 0);
    CHECK_EQ(parse_nested("<div>", 100000, &d), ERR_LIMIT);
    CHECK_TEXT(d.message, "the HTML is nested more than 4000 elements deep");
    diag_deinit(&d);
    CHECK_EQ(parse_nested("<p>", 20000, NULL), 0);
}

TEST(dom_refuses_a_page_of_50_mb)
{
    struct diag d = DIAG_INIT;
    struct buf html = BUF_INIT(SIZE_MAX);
    struct dom *dom;

    memset(buf_room(&html, 50000000), 'x', 50000000);
    buf_added(&html, 50000000);
    CHECK_EQ(dom_parse(buf_str(&html), &dom, &d), ERR_LIMIT);
    CHECK_TEXT(d.message, "the HTML has 50000000 bytes; at most 16777216 can be parsed");
    diag_deinit(&d);
    buf_deinit(&html);
}

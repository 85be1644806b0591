/* What k6/http needs of k6/html: response.html(), submitForm() and clickLink(). */
#ifndef SCRIPT_MOD_HTML_H
#define SCRIPT_MOD_HTML_H

#include <quickjs.h>

/* Calls a function of js/html.js:
 *   parse(source, base)                      a Selection of the document
 *   submission(page, {formSelector, submitSelector, fields}, base)   {method, url, fields}
 *   linkTarget(page, {selector}, base)       the URL of the link
 * `base` is the page's URL. */
JSValue html_call(JSContext *ctx, const char *function, int argc, JSValueConst *argv);

#endif

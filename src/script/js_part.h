/* A part of the host that is written in JavaScript (src/script/js/NAME.js): one function expression
 * of `native`, an object with what it needs from C; what it returns is the part's interface. */
#ifndef SCRIPT_JS_PART_H
#define SCRIPT_JS_PART_H

#include <quickjs.h>
#include <stddef.h>
#include <stdint.h>

struct js_part {
    const char *name;
    const uint8_t *code; /* QuickJS bytecode */
    size_t size;
};

extern const struct js_part js_part_crypto;
extern const struct js_part js_part_fetch;
extern const struct js_part js_part_html;
extern const struct js_part js_part_streams;
extern const struct js_part js_part_url;
extern const struct js_part js_part_web;
extern const struct js_part js_part_webcrypto;
extern const struct js_part js_part_webcrypto_pairs;
extern const struct js_part js_part_websocket;

/* Runs the part in this VU and gives its interface. */
JSValue js_part_call(JSContext *ctx, const struct js_part *part, JSValueConst native);

#endif

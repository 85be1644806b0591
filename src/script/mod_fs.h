/* What k6/experimental/csv needs of k6/experimental/fs. */
#ifndef SCRIPT_MOD_FS_H
#define SCRIPT_MOD_FS_H

#include <quickjs.h>

struct file;

/* The file behind a File of fs.open(); NULL with a TypeError when `v` is none. It lives as long as
 * the script. */
const struct file *fs_file(JSContext *ctx, JSValueConst v);
/* A promise that is settled already: with `value`, or with the pending exception when that is
 * JS_EXCEPTION. Takes it. */
JSValue fs_promise(JSContext *ctx, JSValue value);

#endif

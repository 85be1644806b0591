/* console.log and its kin (k6-features.md GLB-01). */
#include "base/log.h"
#include "script/console_format.h"
#include "script/internal.h"

/* Longer than what the log takes: it cuts, and says so. */
enum { MAX_LINE = 2 * 1024 * 1024 };

static JSValue console_log(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                           int level)
{
    struct buf line = BUF_INIT(MAX_LINE);

    (void)this_val;
    if (!log_is_on((enum log_level)level))
        return JS_UNDEFINED;
    for (int i = 0; i < argc; i++) {
        if (i > 0)
            buf_append_char(&line, ' ');
        console_format(ctx, argv[i], &line);
    }
    log_console((enum log_level)level, buf_str(&line));
    buf_deinit(&line);
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_MAGIC_DEF("debug", 0, console_log, LOG_DEBUG),
    JS_CFUNC_MAGIC_DEF("error", 0, console_log, LOG_ERROR),
    JS_CFUNC_MAGIC_DEF("info", 0, console_log, LOG_INFO),
    JS_CFUNC_MAGIC_DEF("log", 0, console_log, LOG_INFO),
    JS_CFUNC_MAGIC_DEF("warn", 0, console_log, LOG_WARN),
};

static int globals(JSContext *ctx, JSValueConst global)
{
    static const JSCFunctionListEntry console[] = {
        JS_OBJECT_DEF("console", functions, COUNT_OF(functions),
                      JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE),
    };

    JS_SetPropertyFunctionList(ctx, global, console, COUNT_OF(console));
    return 0;
}

const struct host_module mod_console = {.globals = globals};

#include "script/js_part.h"

JSValue js_part_call(JSContext *ctx, const struct js_part *part, JSValueConst native)
{
    JSValue code = JS_ReadObject(ctx, part->code, part->size, JS_READ_OBJ_BYTECODE);
    JSValue function = JS_IsException(code) ? code : JS_EvalFunction(ctx, code);
    JSValue result =
        JS_IsException(function) ? function : JS_Call(ctx, function, JS_UNDEFINED, 1, &native);

    if (!JS_IsException(function))
        JS_FreeValue(ctx, function);
    return result;
}

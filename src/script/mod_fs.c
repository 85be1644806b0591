/* k6/experimental/fs (k6-features.md EXP-02). All VUs read the one copy of a file that the script's
 * files keep; a File is that and a position. */
#include "script/mod_fs.h"

#include <string.h>

#include "base/mem.h"
#include "script/files.h"
#include "script/internal.h"

enum { SEEK_START, SEEK_CURRENT, SEEK_ENDING };

struct fs_handle {
    const struct file *file;
    size_t at; /* may be behind the end */
};

static void free_handle(JSRuntime *rt, JSValue value);

static const JSCFunctionListEntry file_methods[3];

static struct host_class file_class = {
    .def = {.class_name = "File", .finalizer = free_handle},
    .methods = file_methods,
    .method_count = COUNT_OF(file_methods),
};

static void free_handle(JSRuntime *rt, JSValue value)
{
    (void)rt;
    mem_free(JS_GetOpaque(value, file_class.id));
}

const struct file *fs_file(JSContext *ctx, JSValueConst v)
{
    struct fs_handle *h = host_object_data(v, &file_class);

    if (!h)
        JS_ThrowTypeError(ctx, "a File of fs.open() was expected");
    return h ? h->file : NULL;
}

JSValue fs_promise(JSContext *ctx, JSValue value)
{
    bool failed = JS_IsException(value);
    JSValue what = failed ? JS_GetException(ctx) : value;
    JSValue settle[2];
    JSValue promise = JS_NewPromiseCapability(ctx, settle);

    if (!JS_IsException(promise)) {
        JS_FreeValue(ctx, JS_Call(ctx, settle[failed], JS_UNDEFINED, 1, &what));
        JS_FreeValue(ctx, settle[0]);
        JS_FreeValue(ctx, settle[1]);
    }
    JS_FreeValue(ctx, what);
    return promise;
}

static struct str name_of(const struct file *file)
{
    struct str path = files_path(str_of(file->url));
    size_t i = path.len;

    while (i > 0 && path.ptr[i - 1] != '/')
        i--;
    return str_from(path.ptr + i, path.len - i);
}

static JSValue stat_now(JSContext *ctx, JSValueConst this_val)
{
    struct fs_handle *h = host_this(ctx, this_val, &file_class);
    JSValue info = h ? JS_NewObject(ctx) : JS_EXCEPTION;

    if (JS_IsException(info))
        return info;
    if (host_set_str(ctx, info, "name", name_of(h->file)) == 0 &&
        host_set(ctx, info, "size", JS_NewInt64(ctx, (int64_t)h->file->len)) == 0)
        return info;
    JS_FreeValue(ctx, info);
    return JS_EXCEPTION;
}

static JSValue read_now(JSContext *ctx, JSValueConst this_val, JSValueConst into)
{
    struct fs_handle *h = host_this(ctx, this_val, &file_class);
    size_t offset;
    size_t len;
    size_t width;
    size_t size;
    size_t n;
    uint8_t *data;
    JSValue buffer;

    if (!h)
        return JS_EXCEPTION;
    buffer = JS_GetTypedArrayBuffer(ctx, into, &offset, &len, &width);
    if (JS_IsException(buffer) || width != 1) {
        JS_FreeValue(ctx, JS_IsException(buffer) ? JS_GetException(ctx) : buffer);
        return JS_ThrowTypeError(ctx, "read() needs a Uint8Array");
    }
    data = JS_GetArrayBuffer(ctx, &size, buffer);
    JS_FreeValue(ctx, buffer); /* the array keeps it */
    if (h->at >= h->file->len)
        return JS_NULL;
    if (!data)
        return JS_HasException(ctx) ? JS_EXCEPTION : JS_NewInt32(ctx, 0);
    n = h->file->len - h->at < len ? h->file->len - h->at : len;
    memcpy(data + offset, h->file->data + h->at, n);
    h->at += n;
    return JS_NewInt64(ctx, (int64_t)n);
}

static JSValue seek_now(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct fs_handle *h = host_this(ctx, this_val, &file_class);
    const int64_t max = (int64_t)1 << 52;
    int64_t offset;
    int64_t whence;

    if (!h)
        return JS_EXCEPTION;
    if (!JS_IsNumber(host_arg(argc, argv, 0)) || !JS_IsNumber(host_arg(argc, argv, 1)))
        return JS_ThrowTypeError(ctx, "seek() needs an offset and a SeekMode");
    if (host_int64(ctx, argv[0], &offset) < 0 || host_int64(ctx, argv[1], &whence) < 0)
        return JS_EXCEPTION;
    if (whence < SEEK_START || whence > SEEK_ENDING || offset > max || offset < -max)
        return JS_ThrowTypeError(ctx, "seek(): no such SeekMode or offset");
    if (whence == SEEK_ENDING && offset > 0)
        return JS_ThrowTypeError(ctx, "seek(): an offset from the end can't be positive");
    if (whence != SEEK_START)
        offset += (int64_t)(whence == SEEK_CURRENT ? h->at : h->file->len);
    if (offset < 0 || (uint64_t)offset > h->file->len)
        return JS_ThrowTypeError(ctx, "seek(): the position is outside of the file");
    h->at = (size_t)offset;
    return JS_NewInt64(ctx, offset);
}

static JSValue file_stat(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)argc;
    (void)argv;
    return fs_promise(ctx, stat_now(ctx, this_val));
}

static JSValue file_read(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return fs_promise(ctx, read_now(ctx, this_val, host_arg(argc, argv, 0)));
}

static JSValue file_seek(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    return fs_promise(ctx, seek_now(ctx, this_val, argc, argv));
}

static const JSCFunctionListEntry file_methods[3] = {
    JS_CFUNC_DEF("stat", 0, file_stat),
    JS_CFUNC_DEF("read", 1, file_read),
    JS_CFUNC_DEF("seek", 2, file_seek),
};

static JSValue open_now(JSContext *ctx, JSValueConst path)
{
    const struct file *file;
    struct fs_handle *h;
    char *text;
    JSValue object;

    if (host_need_init(ctx, "fs.open()") < 0)
        return JS_EXCEPTION;
    if (!JS_IsString(path))
        return JS_ThrowTypeError(ctx, "fs.open() needs the path of a file");
    text = host_strdup(ctx, path);
    if (!text)
        return JS_EXCEPTION;
    file = *text ? loader_open(vu_of(ctx), str_of(text)) : NULL;
    if (!*text)
        host_throw(ctx, "fs.open() can't be used with an empty path");
    mem_free(text);
    if (!file)
        return JS_EXCEPTION;
    h = mem_alloc(sizeof(*h));
    *h = (struct fs_handle){file, 0};
    object = host_object_new(ctx, &file_class, h);
    if (JS_IsException(object)) {
        mem_free(h);
    } else if (host_set_str(ctx, object, "path", files_path(str_of(file->url))) < 0) {
        JS_FreeValue(ctx, object);
        return JS_EXCEPTION;
    }
    return object;
}

static JSValue fs_open(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    return fs_promise(ctx, open_now(ctx, host_arg(argc, argv, 0)));
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("open", 1, fs_open),
};

static const JSCFunctionListEntry modes[] = {
    JS_PROP_INT32_DEF("Start", SEEK_START, JS_PROP_ENUMERABLE),
    JS_PROP_INT32_DEF("Current", SEEK_CURRENT, JS_PROP_ENUMERABLE),
    JS_PROP_INT32_DEF("End", SEEK_ENDING, JS_PROP_ENUMERABLE),
};

static int init(JSContext *ctx, JSValueConst ns)
{
    JSValue mode = JS_NewObject(ctx);

    if (JS_IsException(mode))
        return -1;
    JS_SetPropertyFunctionList(ctx, mode, modes, COUNT_OF(modes));
    return host_set(ctx, ns, "SeekMode", mode);
}

static struct host_class *const classes[] = {&file_class, NULL};
static const char *const names[] = {"SeekMode", NULL};

const struct host_module mod_fs = {
    .name = "k6/experimental/fs",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .classes = classes,
    .init = init,
    .names = names,
};

/* k6/experimental/csv (k6-features.md EXP-01): parse() gives a shared array, Parser one record at a
 * time from the file's shared bytes. */
#include "script/csv.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "script/files.h"
#include "script/internal.h"
#include "script/mod_fs.h"

struct parser {
    struct csv_reader reader;
    struct csv_record record;
    struct csv_record header; /* asObjects: names of the fields */
    int64_t from;
    int64_t to; /* the last record that is read, from 0; -1: all */
    int64_t at; /* of the next record */
    bool skip_first;
    bool as_objects;
};

static void parser_free(struct parser *p)
{
    csv_record_deinit(&p->record);
    csv_record_deinit(&p->header);
    mem_free(p);
}

static void free_parser(JSRuntime *rt, JSValue value);
static JSValue parser_next(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv);
static JSValue parser_new(JSContext *ctx, JSValueConst target, int argc, JSValueConst *argv);

static const JSCFunctionListEntry methods[] = {
    JS_CFUNC_DEF("next", 0, parser_next),
};

static struct host_class parser_class = {
    .def = {.class_name = "Parser", .finalizer = free_parser},
    .methods = methods,
    .method_count = COUNT_OF(methods),
    .construct = parser_new,
    .construct_length = 2,
};

static void free_parser(JSRuntime *rt, JSValue value)
{
    struct parser *p = JS_GetOpaque(value, parser_class.id);

    (void)rt;
    if (p)
        parser_free(p);
}

/* --- options ------------------------------------------------------------------------------ */

static int read_line(JSContext *ctx, JSValueConst options, const char *name, int64_t *out)
{
    JSValue v = host_get(ctx, options, name);
    int err = JS_IsException(v) ? -1 : 0;

    if (err == 0 && !host_is_nullish(v) && !JS_IsNumber(v)) {
        JS_ThrowTypeError(ctx, "%s must be a number", name);
        err = -1;
    }
    if (err == 0 && !host_is_nullish(v))
        err = host_int64(ctx, v, out);
    if (err == 0 && !host_is_nullish(v) && *out < 0) {
        host_throw(ctx, "%s must not be negative", name);
        err = -1;
    }
    JS_FreeValue(ctx, v);
    return err;
}

static int read_delimiter(JSContext *ctx, JSValueConst options, char *out)
{
    JSValue v = host_get(ctx, options, "delimiter");
    size_t len = 0;
    const char *text;
    int err = 0;

    if (JS_IsUndefined(v))
        return 0;
    text = JS_IsException(v) ? NULL : JS_ToCStringLen(ctx, &len, v);
    JS_FreeValue(ctx, v);
    if (!text)
        return -1;
    if (len == 1 && !strchr("\r\n\"", *text)) {
        *out = *text;
    } else {
        host_throw(ctx, "delimiter must be one ASCII character, no quote and no line feed");
        err = -1;
    }
    JS_FreeCString(ctx, text);
    return err;
}

static int read_options(JSContext *ctx, JSValueConst options, struct parser *p)
{
    int flag;

    if (host_is_nullish(options))
        return 0;
    if (!JS_IsObject(options)) {
        JS_ThrowTypeError(ctx, "the options of a CSV file must be an object");
        return -1;
    }
    if (read_delimiter(ctx, options, &p->reader.delimiter) < 0 ||
        read_line(ctx, options, "fromLine", &p->from) < 0 ||
        read_line(ctx, options, "toLine", &p->to) < 0)
        return -1;
    flag = host_get_bool(ctx, options, "skipFirstLine", false);
    if (flag < 0)
        return -1;
    p->skip_first = flag;
    flag = host_get_bool(ctx, options, "asObjects", false);
    if (flag < 0)
        return -1;
    p->as_objects = flag;
    if (p->to >= 0 && p->from > p->to)
        host_throw(ctx, "fromLine must not be greater than toLine");
    else if (p->as_objects && (p->skip_first || p->from > 0))
        host_throw(ctx, "asObjects can't be combined with skipFirstLine or fromLine");
    else
        return 0;
    return -1;
}

/* --- records ------------------------------------------------------------------------------ */

/* As csv_next, with an exception for an error. */
static int next_raw(JSContext *ctx, struct parser *p, struct csv_record *into)
{
    struct diag d = DIAG_INIT;
    int got = csv_next(&p->reader, into, &d);

    if (got < 0)
        host_throw_diag(ctx, &d);
    diag_deinit(&d);
    p->at++;
    return got;
}

static int begin(JSContext *ctx, struct parser *p)
{
    int got = 1;

    if (p->as_objects) {
        got = next_raw(ctx, p, &p->header);
        if (got == 0) {
            host_throw(ctx, "asObjects needs a header line");
            got = -1;
        }
        return got < 0 ? -1 : 0;
    }
    if (p->skip_first && p->from == 0)
        p->from = 1;
    while (got > 0 && p->at < p->from)
        got = next_raw(ctx, p, &p->record);
    return got < 0 ? -1 : 0;
}

static struct parser *make_parser(JSContext *ctx, JSValueConst source, JSValueConst options)
{
    const struct file *file = fs_file(ctx, source);
    struct parser *p;

    if (!file)
        return NULL;
    p = mem_zalloc(sizeof(*p));
    csv_record_init(&p->record);
    csv_record_init(&p->header);
    csv_reader_init(&p->reader, str_from(file->data, file->len), ',');
    p->to = -1;
    if (read_options(ctx, options, p) == 0 && begin(ctx, p) == 0)
        return p;
    parser_free(p);
    return NULL;
}

static JSValue value_of(JSContext *ctx, const struct parser *p)
{
    JSValue v = p->as_objects ? JS_NewObject(ctx) : JS_NewArray(ctx);
    int err = JS_IsException(v) ? -1 : 0;

    if (p->as_objects && p->record.count != p->header.count) {
        host_throw(ctx, "a record has %zu fields, the header %zu", p->record.count,
                   p->header.count);
        err = -1;
    }
    for (size_t i = 0; i < p->record.count && err >= 0; i++) {
        JSValue field = host_string(ctx, csv_field(&p->record, i));

        err = p->as_objects
                  ? host_set_key(ctx, v, csv_field(&p->header, i), field)
                  : JS_DefinePropertyValueUint32(ctx, v, (uint32_t)i, field, JS_PROP_C_W_E);
    }
    if (err >= 0)
        return v;
    JS_FreeValue(ctx, v);
    return JS_EXCEPTION;
}

/* 1: a record, in *value; 0: the end; -1: exception. */
static int next_value(JSContext *ctx, struct parser *p, JSValue *value)
{
    int got = p->to >= 0 && p->at > p->to ? 0 : next_raw(ctx, p, &p->record);

    if (got <= 0)
        return got < 0 ? -1 : 0;
    *value = value_of(ctx, p);
    return JS_IsException(*value) ? -1 : 1;
}

static JSValue next_now(JSContext *ctx, JSValueConst this_val)
{
    struct parser *p = host_this(ctx, this_val, &parser_class);
    JSValue value = JS_UNDEFINED;
    int got = p ? next_value(ctx, p, &value) : -1;
    JSValue result;

    if (got < 0)
        return JS_EXCEPTION;
    result = JS_NewObject(ctx);
    if (host_set(ctx, result, "done", JS_NewBool(ctx, got == 0)) == 0 &&
        host_set(ctx, result, "value", got ? value : JS_NewArray(ctx)) == 0)
        return result;
    JS_FreeValue(ctx, result);
    return JS_EXCEPTION;
}

static JSValue parser_next(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)argc;
    (void)argv;
    return fs_promise(ctx, next_now(ctx, this_val));
}

static JSValue parser_new(JSContext *ctx, JSValueConst target, int argc, JSValueConst *argv)
{
    struct parser *p = make_parser(ctx, host_arg(argc, argv, 0), host_arg(argc, argv, 1));
    JSValue object;

    if (!p)
        return JS_EXCEPTION;
    object = host_object_construct(ctx, target, &parser_class, p);
    if (JS_IsException(object))
        parser_free(p);
    return object;
}

/* --- parse() ------------------------------------------------------------------------------ */

static JSValue all_records(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                           int magic, JSValue *data)
{
    struct parser *p = make_parser(ctx, data[0], data[1]);
    JSValue list = p ? JS_NewArray(ctx) : JS_EXCEPTION;
    JSValue value;
    int got = 1;

    (void)this_val;
    (void)argc;
    (void)argv;
    (void)magic;
    for (uint32_t i = 0; got > 0 && !JS_IsException(list); i++) {
        got = next_value(ctx, p, &value);
        if (got > 0 && JS_DefinePropertyValueUint32(ctx, list, i, value, JS_PROP_C_W_E) < 0)
            got = -1;
    }
    if (p)
        parser_free(p);
    if (got >= 0)
        return list;
    JS_FreeValue(ctx, list);
    return JS_EXCEPTION;
}

static JSValue parse_now(JSContext *ctx, JSValueConst source, JSValueConst options)
{
    const struct file *file = fs_file(ctx, source);
    JSValueConst both[2] = {source, options};
    JSValue json;
    JSValue make;
    JSValue array = JS_EXCEPTION;
    const char *text;
    struct buf name = BUF_INIT(SIZE_MAX);

    if (!file || host_need_init(ctx, "csv.parse()") < 0)
        return JS_EXCEPTION;
    json = JS_JSONStringify(ctx, options, JS_UNDEFINED, JS_UNDEFINED);
    text = JS_IsException(json) ? NULL : JS_ToCString(ctx, json);
    JS_FreeValue(ctx, json);
    if (!text)
        return JS_EXCEPTION;
    buf_printf(&name, "csv.parse %s %s", file->url, text);
    JS_FreeCString(ctx, text);
    make = JS_NewCFunctionData(ctx, all_records, 0, 0, 2, both);
    if (!JS_IsException(make))
        array = shared_array_get(ctx, buf_str(&name), make);
    JS_FreeValue(ctx, make);
    buf_deinit(&name);
    return array;
}

static JSValue parse(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    return fs_promise(ctx, parse_now(ctx, host_arg(argc, argv, 0), host_arg(argc, argv, 1)));
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("parse", 2, parse),
};

static int init(JSContext *ctx, JSValueConst ns)
{
    return host_class_add(ctx, ns, &parser_class);
}

static struct host_class *const classes[] = {&parser_class, NULL};
static const char *const names[] = {"Parser", NULL};

const struct host_module mod_csv = {
    .name = "k6/experimental/csv",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .classes = classes,
    .init = init,
    .names = names,
};

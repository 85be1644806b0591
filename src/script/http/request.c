/* From the arguments of a call to a request: URL, body, Params. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/addr.h"
#include "net/proxy.h"
#include "proto/form.h"
#include "script/http/internal.h"

#define DEFAULT_TIMEOUT INT64_C(60000000000)

enum param {
    PARAM_HEADERS,
    PARAM_COOKIES,
    PARAM_JAR,
    PARAM_TAGS,
    PARAM_AUTH,
    PARAM_TIMEOUT,
    PARAM_REDIRECTS,
    PARAM_COMPRESSION,
    PARAM_RESPONSE_TYPE,
    PARAM_THROW,
    PARAM_CALLBACK,
    PARAM_PROXY,
    PARAM_LAST = PARAM_PROXY,
};

struct statuses *statuses_ref(struct statuses *s)
{
    if (s)
        s->references++;
    return s;
}

void statuses_unref(struct statuses *s)
{
    if (s && --s->references == 0)
        mem_free(s);
}

/* A copy of a value's text in the call's arena, NUL-terminated. */
static int arena_text(JSContext *ctx, struct http_call *call, JSValueConst value, struct str *out)
{
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, value);

    if (!text)
        return -1;
    *out = arena_str(&call->arena, str_from(text, len));
    JS_FreeCString(ctx, text);
    return 0;
}

/* --- growing lists in the arena ----------------------------------------------------------- */

struct header_list {
    struct http_call *call;
    struct http_header *items;
    size_t count;
    size_t cap;
};

static void add_header(struct header_list *l, struct str name, struct str value)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        struct http_header *grown = arena_alloc(&l->call->arena, cap * sizeof *grown);

        if (l->count)
            memcpy(grown, l->items, l->count * sizeof *grown);
        l->items = grown;
        l->cap = cap;
    }
    l->items[l->count++] = (struct http_header){name, value};
}

static int read_header(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    struct header_list *l = arg;
    struct str text;

    if (arena_text(ctx, l->call, value, &text) < 0)
        return -1;
    add_header(l, arena_str(&l->call->arena, key), text);
    return 0;
}

static bool has_header(const struct header_list *l, struct str name)
{
    return header_find(l->items, l->count, name) != NULL;
}

/* --- URL ---------------------------------------------------------------------------------- */

/* A text, or what http.url`...` made: {url, name}. */
static int read_url(JSContext *ctx, struct http_call *call, JSValueConst url, struct diag *d)
{
    struct str text;
    int failed;

    if (JS_IsObject(url)) {
        JSValue inner = host_get(ctx, url, "url");
        JSValue name = host_get(ctx, url, "name");

        failed = JS_IsString(inner) ? arena_text(ctx, call, inner, &text)
                                    : arena_text(ctx, call, url, &text);
        if (failed == 0 && JS_IsString(name))
            failed = arena_text(ctx, call, name, &call->name);
        JS_FreeValue(ctx, inner);
        JS_FreeValue(ctx, name);
    } else {
        failed = arena_text(ctx, call, url, &text);
    }
    if (failed < 0)
        return -1;
    call->url_text = text;
    call->err = url_parse(text, &call->arena, &call->request.url, d);
    if (call->err == 0 && !str_eq_c(call->request.url.scheme, "http") &&
        !str_eq_c(call->request.url.scheme, "https"))
        call->err = diag_set(d, ERR_URL, "unsupported protocol scheme \"%.*s\"",
                             STR_ARG(call->request.url.scheme));
    if (call->err == 0 && call->request.url.has_user)
        call->url_text = url_text(&call->request.url, URL_USER_MASK, &call->arena);
    return 0;
}

/* --- body --------------------------------------------------------------------------------- */

struct body {
    struct http_call *call;
    struct multipart_part *parts;
    size_t count;
    size_t cap;
    bool has_file;
};

static struct multipart_part *add_part(struct body *b, struct str name)
{
    if (b->count == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 8;
        struct multipart_part *grown = arena_alloc(&b->call->arena, cap * sizeof *grown);

        if (b->count)
            memcpy(grown, b->parts, b->count * sizeof *grown);
        b->parts = grown;
        b->cap = cap;
    }
    b->parts[b->count] = (struct multipart_part){.name = name};
    return &b->parts[b->count++];
}

static int read_field(JSContext *ctx, struct body *b, struct str name, JSValueConst value)
{
    const struct http_file *file = host_object_data(value, &http_file_class);
    struct multipart_part *part = add_part(b, name);
    struct arena *arena = &b->call->arena;

    if (!file)
        return arena_text(ctx, b->call, value, &part->data);
    b->has_file = true;
    part->data = arena_str(arena, str_from(file->data, file->len));
    part->filename = arena_str(arena, str_of(file->filename));
    part->content_type = arena_str(arena, str_of(file->content_type));
    return 0;
}

/* An array repeats its key. */
static int read_fields(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    struct body *b = arg;
    struct str name = arena_str(&b->call->arena, key);
    int64_t count;

    if (!JS_IsArray(ctx, value))
        return read_field(ctx, b, name, value);
    count = host_length(ctx, value);
    for (int64_t i = 0; i < count; i++) {
        JSValue item = JS_GetPropertyUint32(ctx, value, (uint32_t)i);
        int failed = JS_IsException(item) ? -1 : read_field(ctx, b, name, item);

        JS_FreeValue(ctx, item);
        if (failed < 0)
            return -1;
    }
    return count < 0 ? -1 : 0;
}

static void build_form(struct body *b, struct header_list *headers)
{
    struct http_call *call = b->call;
    struct buf out = BUF_INIT(SIZE_MAX);
    char boundary[MULTIPART_BOUNDARY_MAX];
    struct form_field *fields = arena_alloc(&call->arena, (b->count + 1) * sizeof *fields);
    struct str type = STR("application/x-www-form-urlencoded");

    if (b->has_file) {
        multipart_boundary(boundary);
        multipart_write(b->parts, b->count, boundary, &out);
        type = str_of(arena_printf(&call->arena, "multipart/form-data; boundary=%s", boundary));
    } else {
        for (size_t i = 0; i < b->count; i++)
            fields[i] = (struct form_field){b->parts[i].name, b->parts[i].data};
        form_urlencode(fields, b->count, &out);
    }
    call->request.body = arena_str(&call->arena, buf_str(&out));
    buf_deinit(&out);
    if (!has_header(headers, STR("Content-Type")))
        add_header(headers, STR("Content-Type"), type);
}

static int read_body(JSContext *ctx, struct http_call *call, JSValueConst value,
                     struct header_list *headers)
{
    struct body form = {.call = call};
    struct host_bytes bytes;

    if (host_is_nullish(value))
        return 0;
    if (JS_IsObject(value) && !host_is_binary(ctx, value)) {
        if (host_each(ctx, value, read_fields, &form) < 0)
            return -1;
        build_form(&form, headers);
        return 0;
    }
    if (JS_IsString(value) || JS_IsObject(value)) {
        if (host_bytes(ctx, value, &bytes) < 0)
            return -1;
        call->request.body = arena_str(&call->arena, str_from((const char *)bytes.ptr, bytes.len));
        host_bytes_release(ctx, &bytes);
        return 0;
    }
    return arena_text(ctx, call, value, &call->request.body);
}

/* --- Params ------------------------------------------------------------------------------- */

struct cookie_list {
    struct http_call *call;
    struct http_cookie *items;
    size_t count;
    size_t cap;
};

/* A text, or {value, replace}. */
static int read_cookie(JSContext *ctx, struct str key, JSValueConst value, void *arg)
{
    struct cookie_list *l = arg;
    struct http_cookie cookie = {.name = arena_str(&l->call->arena, key)};
    int failed;

    if (JS_IsObject(value)) {
        JSValue text = host_get(ctx, value, "value");
        int replace = host_get_bool(ctx, value, "replace", false);

        failed = replace < 0 ? -1 : arena_text(ctx, l->call, text, &cookie.value);
        cookie.replace = replace > 0;
        JS_FreeValue(ctx, text);
    } else {
        failed = arena_text(ctx, l->call, value, &cookie.value);
    }
    if (failed < 0)
        return -1;
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 4;
        struct http_cookie *grown = arena_alloc(&l->call->arena, cap * sizeof *grown);

        if (l->count)
            memcpy(grown, l->items, l->count * sizeof *grown);
        l->items = grown;
        l->cap = cap;
    }
    l->items[l->count++] = cookie;
    return 0;
}

static int read_jar(JSContext *ctx, struct http_call *call, JSValueConst value)
{
    if (JS_IsNull(value)) {
        call->request.jar = NULL;
        return 0;
    }
    call->request.jar = http_jar_of(value);
    if (!call->request.jar) {
        JS_ThrowTypeError(ctx, "params.jar must be a CookieJar");
        return -1;
    }
    call->jar_object = JS_DupValue(ctx, value);
    return 0;
}

static int read_auth(JSContext *ctx, struct http_call *call, JSValueConst value)
{
    static const struct {
        const char *name;
        enum http_auth auth;
    } kinds[] = {
        {"basic", HTTP_AUTH_BASIC}, {"digest", HTTP_AUTH_DIGEST}, {"ntlm", HTTP_AUTH_NTLM}};
    struct str text;

    if (arena_text(ctx, call, value, &text) < 0)
        return -1;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (str_eq_c(text, kinds[i].name))
            call->request.auth = kinds[i].auth;
    }
    return 0;
}

static int read_compression(JSContext *ctx, struct http_call *call, JSValueConst value)
{
    struct str text;
    struct str unknown = {NULL, 0};

    if (arena_text(ctx, call, value, &text) < 0)
        return -1;
    if (compress_chain_parse(text, &call->request.compression, &unknown)) {
        host_throw(ctx, "unknown compression algorithm '%.*s': use gzip, deflate, br or zstd",
                   STR_ARG(unknown));
        return -1;
    }
    return 0;
}

static int read_response_type(JSContext *ctx, struct http_call *call, JSValueConst value)
{
    struct str text;

    if (arena_text(ctx, call, value, &text) < 0)
        return -1;
    call->binary = str_eq_c(text, "binary");
    call->request.discard_body = str_eq_c(text, "none");
    call->wants_stream = str_eq_c(text, "stream");
    if (!call->binary && !call->request.discard_body && !call->wants_stream &&
        !str_eq_c(text, "text")) {
        host_throw(ctx, "unknown responseType '%.*s': use text, binary, stream or none",
                   STR_ARG(text));
        return -1;
    }
    return 0;
}

static int read_callback(JSContext *ctx, struct http_call *call, JSValueConst value)
{
    struct statuses *s = host_object_data(value, &http_statuses_class);

    if (!s && !JS_IsNull(value)) {
        host_throw(ctx,
                   "params.responseCallback must be null or come from http.expectedStatuses()");
        return -1;
    }
    statuses_unref(call->statuses);
    call->statuses = statuses_ref(s);
    return 0;
}

static int read_tags(JSContext *ctx, struct http_call *call, JSValueConst value)
{
    struct vu *vu = call->http->vu;
    struct str name;

    if (host_tags(ctx, value, "params.tags", call->tags, &call->tags) < 0)
        return -1;
    name = shard_tagset_get(vu->shard, call->tags, STR("name"));
    if (name.ptr) {
        call->name = name;
        call->has_own_name = true;
    }
    return 0;
}

static int read_redirects(JSContext *ctx, struct http_call *call, JSValueConst value)
{
    int64_t count;

    if (host_int64(ctx, value, &count) < 0)
        return -1;
    call->says_redirects = false;
    call->request.max_redirects = count < 0 ? 0 : count > 1000 ? 1000 : (int)count;
    return 0;
}

/* A URL; '': straight, whatever the environment says. */
static int read_proxy(JSContext *ctx, struct http_call *call, JSValueConst value)
{
    struct proxy *proxy = arena_alloc(&call->arena, sizeof *proxy);
    struct diag d = DIAG_INIT;
    struct str text;

    if (arena_text(ctx, call, value, &text) < 0)
        return -1;
    if (proxy_parse(&call->arena, "params.proxy", text, proxy, &d)) {
        host_throw_diag(ctx, &d);
        diag_deinit(&d);
        return -1;
    }
    call->request.has_proxy = true;
    call->request.proxy = proxy->port ? proxy : NULL;
    return 0;
}

static int read_param(JSContext *ctx, struct http_call *call, enum param which, JSValueConst value,
                      struct header_list *headers)
{
    struct cookie_list cookies = {.call = call};
    int failed;

    switch (which) {
    case PARAM_HEADERS:
        return host_each(ctx, value, read_header, headers);
    case PARAM_COOKIES:
        failed = host_each(ctx, value, read_cookie, &cookies);
        call->request.cookies = cookies.items;
        call->request.cookie_count = cookies.count;
        return failed;
    case PARAM_JAR:
        return read_jar(ctx, call, value);
    case PARAM_TAGS:
        return read_tags(ctx, call, value);
    case PARAM_AUTH:
        return read_auth(ctx, call, value);
    case PARAM_TIMEOUT:
        return host_duration(ctx, value, "params.timeout", &call->request.timeout);
    case PARAM_REDIRECTS:
        return read_redirects(ctx, call, value);
    case PARAM_COMPRESSION:
        return read_compression(ctx, call, value);
    case PARAM_RESPONSE_TYPE:
        return read_response_type(ctx, call, value);
    case PARAM_THROW:
        call->throws = JS_ToBool(ctx, value) > 0;
        return 0;
    case PARAM_CALLBACK:
        return read_callback(ctx, call, value);
    case PARAM_PROXY:
        return read_proxy(ctx, call, value);
    }
    return 0;
}

static int read_params(JSContext *ctx, struct http_call *call, JSValueConst params,
                       struct header_list *headers)
{
    if (host_is_nullish(params))
        return 0;
    if (!JS_IsObject(params)) {
        JS_ThrowTypeError(ctx, "the params of a request must be an object");
        return -1;
    }
    for (int i = PARAM_HEADERS; i <= PARAM_LAST; i++) {
        JSValue value = JS_GetProperty(ctx, params, call->http->params[i]);
        bool null_counts = i == PARAM_JAR || i == PARAM_CALLBACK;
        int failed = 0;

        if (JS_IsException(value))
            return -1;
        if (!JS_IsUndefined(value) && (!JS_IsNull(value) || null_counts))
            failed = read_param(ctx, call, (enum param)i, value, headers);
        JS_FreeValue(ctx, value);
        if (failed < 0)
            return -1;
    }
    return 0;
}

/* --- the call ----------------------------------------------------------------------------- */

static struct http_call *new_call(struct http_vu *http, struct str method)
{
    struct http_worker *w = http->worker;
    struct http_call *call = mem_zalloc(sizeof *call);

    call->http = http;
    http->references++;
    call->arena = http->spare;
    if (!http->has_spare)
        arena_init(&call->arena);
    http->has_spare = false;
    call->tags = http->vu->tags;
    call->statuses = statuses_ref(http->statuses);
    call->says_redirects = w->redirects_are_default;
    call->throws = w->throws;
    call->json = JS_UNDEFINED;
    call->jar_object = JS_UNDEFINED;
    call->request = (struct http_request){
        .method = arena_str(&call->arena, method),
        .jar = http->jar,
        .timeout = DEFAULT_TIMEOUT,
        .max_redirects = w->max_redirects,
        .discard_body = w->discard_bodies,
    };
    for (size_t i = 0; i < call->request.method.len; i++) {
        char *c = (char *)(uintptr_t)&call->request.method.ptr[i];

        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 32);
    }
    return call;
}

/* What is not JavaScript's. */
void http_call_free_memory(struct http_call *call)
{
    struct http_vu *http = call->http;

    statuses_unref(call->statuses);
    if (!http->is_over && !http->has_spare) {
        arena_reset(&call->arena);
        http->spare = call->arena;
        http->has_spare = true;
    } else {
        arena_deinit(&call->arena);
    }
    http_vu_unref(http);
    mem_free(call);
}

void http_call_free(JSRuntime *rt, struct http_call *call)
{
    for (size_t i = 0; i < FIELD_COUNT_MAX; i++) {
        if ((call->made >> i) & 1)
            JS_FreeValueRT(rt, call->members[i]);
    }
    JS_FreeValueRT(rt, call->json);
    JS_FreeValueRT(rt, call->jar_object);
    if (call->body)
        http_body_unref(call->body);
    else
        http_call_free_memory(call);
}

static void note_bad_url(struct http_call *call, const struct diag *d)
{
    struct http_response *r = &call->response;
    struct buf method = BUF_INIT(64);

    http_put_method(&method, call->request.method);
    r->err = call->err;
    r->error_code = err_k6_code(call->err);
    r->error = arena_str(&call->arena, str_of(d->message ? d->message : err_text(call->err)));
    r->error_long =
        str_of(arena_printf(&call->arena, "%.*s \"%.*s\": %.*s", STR_ARG(buf_str(&method)),
                            STR_ARG(call->url_text), STR_ARG(r->error)));
    r->request.method = call->request.method;
    r->request.body = call->request.body;
    buf_deinit(&method);
}

struct http_call *http_call_new(JSContext *ctx, struct http_vu *http, struct str method,
                                JSValueConst url, JSValueConst body, JSValueConst params)
{
    struct http_call *call = new_call(http, method);
    struct header_list headers = {.call = call};
    struct diag d = DIAG_INIT;
    int failed = read_url(ctx, call, url, &d);

    if (failed == 0)
        failed = read_params(ctx, call, params, &headers);
    if (failed == 0)
        failed = read_body(ctx, call, body, &headers);
    call->request.headers = headers.items;
    call->request.header_count = headers.count;
    if (failed == 0 && UNLIKELY(http->vu->worker->tracer))
        tracer_attach(http->vu->worker->tracer, &call->arena, &call->request.headers,
                      &call->request.header_count, &call->trace);
    if (failed == 0 && call->err)
        note_bad_url(call, &d);
    diag_deinit(&d);
    if (failed == 0)
        return call;
    http_call_free(JS_GetRuntime(ctx), call);
    return NULL;
}

static void on_hop(void *arg, const struct http_response *hop)
{
    http_sample_hop(arg, hop);
}

int http_call_exchange(struct http_call *call, struct http_response *out)
{
    call->request.on_hop = on_hop;
    call->request.hop_arg = call;
    return http_send(call->http->client, &call->request, &call->arena, out);
}

void http_call_send(struct http_call *call)
{
    if (call->err == 0)
        call->err = http_call_exchange(call, &call->response);
}

void http_put_method(struct buf *out, struct str method)
{
    for (size_t i = 0; i < method.len; i++)
        buf_append_char(out, i > 0 && method.ptr[i] >= 'A' && method.ptr[i] <= 'Z'
                                 ? (char)(method.ptr[i] + 32)
                                 : method.ptr[i]);
}

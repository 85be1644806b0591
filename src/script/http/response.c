/* The Response object: its members are made when a script first asks for them, because most scripts
 * ask for one or two. The class's exotic methods show them as own properties. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tls.h"
#include "script/http/internal.h"

typedef JSValue (*member_fn)(JSContext *ctx, struct http_call *call);

/* object.name = value (taken). Once that has failed (the memory limit), the object is an exception.
 */
static void put(JSContext *ctx, JSValue *object, const char *name, JSValue value)
{
    if (JS_IsException(*object)) {
        JS_FreeValue(ctx, value);
    } else if (host_set(ctx, *object, name, value) < 0) {
        JS_FreeValue(ctx, *object);
        *object = JS_EXCEPTION;
    }
}

/* --- members ------------------------------------------------------------------------------ */

static JSValue get_url(JSContext *ctx, struct http_call *call)
{
    const struct url *url = call->response.request.url;

    return host_string(ctx, url ? url_text(url, URL_USER_KEEP, &call->arena) : call->url_text);
}

static JSValue get_status(JSContext *ctx, struct http_call *call)
{
    return JS_NewInt32(ctx, call->response.status);
}

static JSValue get_status_text(JSContext *ctx, struct http_call *call)
{
    return host_string(ctx, call->response.status_text);
}

static JSValue get_proto(JSContext *ctx, struct http_call *call)
{
    return host_string(ctx, call->response.proto);
}

static JSValue get_body(JSContext *ctx, struct http_call *call)
{
    const struct http_response *r = &call->response;

    if (call->body && !call->err)
        return http_body_stream(ctx, call);
    if (!r->has_body)
        return JS_NULL;
    return call->binary ? host_array_buffer(ctx, r->body) : host_string(ctx, r->body);
}

static JSValue get_error(JSContext *ctx, struct http_call *call)
{
    return host_string(ctx, call->response.error);
}

static JSValue get_error_code(JSContext *ctx, struct http_call *call)
{
    return JS_NewInt32(ctx, call->response.error_code);
}

static JSValue get_remote_ip(JSContext *ctx, struct http_call *call)
{
    char text[ADDR_TEXT_MAX];

    return JS_NewString(ctx, addr_format(&call->response.remote, text));
}

static JSValue get_remote_port(JSContext *ctx, struct http_call *call)
{
    return JS_NewInt32(ctx, call->response.remote.port);
}

/* Repeated names are joined. */
static JSValue get_headers(JSContext *ctx, struct http_call *call)
{
    const struct http_response *r = &call->response;
    JSValue object = JS_NewObject(ctx);

    for (size_t i = 0; i < r->header_count && !JS_IsException(object); i++) {
        struct buf joined = BUF_INIT(SIZE_MAX);
        struct str value = r->headers[i].value;
        bool first = true;

        for (size_t j = 0; j < r->header_count; j++) {
            if (j == i || !str_eq(r->headers[j].name, r->headers[i].name))
                continue;
            if (j < i) { /* joined with the first of them */
                first = false;
                break;
            }
            if (joined.len == 0)
                buf_append_str(&joined, value);
            buf_printf(&joined, ", %.*s", STR_ARG(r->headers[j].value));
        }
        if (first && host_set_key(ctx, object, r->headers[i].name,
                                  host_string(ctx, joined.len ? buf_str(&joined) : value)) < 0) {
            JS_FreeValue(ctx, object);
            object = JS_EXCEPTION;
        }
        buf_deinit(&joined);
    }
    return object;
}

static JSValue cookie_object(JSContext *ctx, const struct cookie *c)
{
    JSValue object = JS_NewObject(ctx);

    put(ctx, &object, "name", host_string(ctx, c->name));
    put(ctx, &object, "value", host_string(ctx, c->value));
    put(ctx, &object, "domain", host_string(ctx, c->domain));
    put(ctx, &object, "path", host_string(ctx, c->path));
    put(ctx, &object, "http_only", JS_NewBool(ctx, c->http_only));
    put(ctx, &object, "secure", JS_NewBool(ctx, c->secure));
    put(ctx, &object, "max_age", JS_NewInt64(ctx, c->has_max_age ? c->max_age : 0));
    put(ctx, &object, "expires", JS_NewInt64(ctx, c->has_expires ? c->expires * 1000 : 0));
    return object;
}

/* object[name] is a list; appends to it. */
static int append(JSContext *ctx, JSValueConst object, struct str name, JSValue item)
{
    char *key = str_dup(name);
    JSValue list = host_get(ctx, object, key);
    int64_t length = JS_IsArray(ctx, list) ? host_length(ctx, list) : 0;
    int result;

    mem_free(key);
    if (length == 0) {
        JS_FreeValue(ctx, list);
        list = JS_NewArray(ctx);
    }
    result = JS_SetPropertyUint32(ctx, list, (uint32_t)length, item);
    return host_set_key(ctx, object, name, list) < 0 ? -1 : result;
}

static JSValue get_cookies(JSContext *ctx, struct http_call *call)
{
    JSValue object = JS_NewObject(ctx);

    for (size_t i = 0; i < call->response.cookie_count; i++)
        append(ctx, object, call->response.cookies[i].name,
               cookie_object(ctx, &call->response.cookies[i]));
    return object;
}

static JSValue get_timings(JSContext *ctx, struct http_call *call)
{
    const struct http_timings *t = &call->response.timings;
    JSValue object = JS_NewObject(ctx);

    put(ctx, &object, "duration", JS_NewFloat64(ctx, nsec_to_ms(t->duration)));
    put(ctx, &object, "blocked", JS_NewFloat64(ctx, nsec_to_ms(t->blocked)));
    put(ctx, &object, "looking_up", JS_NewInt32(ctx, 0));
    put(ctx, &object, "connecting", JS_NewFloat64(ctx, nsec_to_ms(t->connecting)));
    put(ctx, &object, "tls_handshaking", JS_NewFloat64(ctx, nsec_to_ms(t->tls_handshaking)));
    put(ctx, &object, "sending", JS_NewFloat64(ctx, nsec_to_ms(t->sending)));
    put(ctx, &object, "waiting", JS_NewFloat64(ctx, nsec_to_ms(t->waiting)));
    put(ctx, &object, "receiving", JS_NewFloat64(ctx, nsec_to_ms(t->receiving)));
    return object;
}

static JSValue get_tls_version(JSContext *ctx, struct http_call *call)
{
    const struct http_response *r = &call->response;

    return JS_NewString(ctx, r->is_tls ? tls_version_text(r->tls.version) : "");
}

static JSValue get_tls_cipher_suite(JSContext *ctx, struct http_call *call)
{
    const struct http_response *r = &call->response;

    return JS_NewString(ctx, r->is_tls && r->tls.cipher ? r->tls.cipher : "");
}

static JSValue get_ocsp(JSContext *ctx, struct http_call *call)
{
    const struct tls_ocsp none = {.status = TLS_OCSP_NONE, .revocation_reason = -1};
    const struct tls_ocsp *o = call->response.is_tls ? &call->response.tls.ocsp : &none;
    JSValue object = JS_NewObject(ctx);

    put(ctx, &object, "produced_at", JS_NewInt64(ctx, o->produced_at));
    put(ctx, &object, "this_update", JS_NewInt64(ctx, o->this_update));
    put(ctx, &object, "next_update", JS_NewInt64(ctx, o->next_update));
    put(ctx, &object, "revoked_at", JS_NewInt64(ctx, o->revoked_at));
    put(ctx, &object, "revocation_reason",
        JS_NewString(ctx, tls_ocsp_reason_text(o->revocation_reason)));
    put(ctx, &object, "status",
        JS_NewString(ctx, call->response.is_tls ? tls_ocsp_status_text(o->status) : ""));
    return object;
}

static JSValue get_request(JSContext *ctx, struct http_call *call)
{
    const struct http_sent *sent = &call->response.request;
    JSValue object = JS_NewObject(ctx);
    JSValue headers = JS_NewObject(ctx);
    JSValue cookies = JS_NewObject(ctx);

    for (size_t i = 0; i < sent->header_count; i++)
        append(ctx, headers, sent->headers[i].name, host_string(ctx, sent->headers[i].value));
    for (size_t i = 0; i < sent->cookie_count; i++) {
        JSValue cookie = JS_NewObject(ctx);

        put(ctx, &cookie, "name", host_string(ctx, sent->cookies[i].name));
        put(ctx, &cookie, "value", host_string(ctx, sent->cookies[i].value));
        put(ctx, &cookie, "replace", JS_NewBool(ctx, sent->cookies[i].replace));
        append(ctx, cookies, sent->cookies[i].name, cookie);
    }
    put(ctx, &object, "method",
        host_string(ctx, sent->method.len ? sent->method : call->request.method));
    put(ctx, &object, "url", get_url(ctx, call));
    put(ctx, &object, "headers", headers);
    put(ctx, &object, "body", host_string(ctx, sent->body));
    put(ctx, &object, "cookies", cookies);
    return object;
}

static const struct {
    const char *name;
    member_fn make;
} members[] = {
    {"status", get_status},
    {"body", get_body},
    {"headers", get_headers},
    {"timings", get_timings},
    {"url", get_url},
    {"error", get_error},
    {"error_code", get_error_code},
    {"status_text", get_status_text},
    {"proto", get_proto},
    {"cookies", get_cookies},
    {"remote_ip", get_remote_ip},
    {"remote_port", get_remote_port},
    {"tls_version", get_tls_version},
    {"tls_cipher_suite", get_tls_cipher_suite},
    {"ocsp", get_ocsp},
    {"request", get_request},
};

_Static_assert(COUNT_OF(members) <= FIELD_COUNT_MAX, "FIELD_COUNT_MAX");

/* --- the class ---------------------------------------------------------------------------- */

static void make_atoms(JSContext *ctx, struct http_vu *http)
{
    for (size_t i = 0; i < COUNT_OF(members); i++)
        http->fields[i] = JS_NewAtom(ctx, members[i].name);
}

/* Describes the member, which is made on first use. 1: there is such a member. */
static int get_own_property(JSContext *ctx, JSPropertyDescriptor *desc, JSValueConst object,
                            JSAtom prop)
{
    struct http_call *call = JS_GetOpaque(object, http_response_class.id);

    for (size_t i = 0; call && i < COUNT_OF(members); i++) {
        if (call->http->fields[i] != prop)
            continue;
        if (!desc)
            return 1;
        if (!((call->made >> i) & 1)) {
            call->members[i] = members[i].make(ctx, call);
            if (JS_IsException(call->members[i]))
                return -1;
            call->made |= 1u << i;
        }
        *desc = (JSPropertyDescriptor){JS_PROP_C_W_E, JS_DupValue(ctx, call->members[i]),
                                       JS_UNDEFINED, JS_UNDEFINED};
        return 1;
    }
    return 0;
}

static int get_own_property_names(JSContext *ctx, JSPropertyEnum **out, uint32_t *count,
                                  JSValueConst object)
{
    struct http_call *call = JS_GetOpaque(object, http_response_class.id);
    JSPropertyEnum *list = js_malloc(ctx, sizeof *list * (COUNT_OF(members) + 1));
    uint32_t n = 0;

    if (!list)
        return -1;
    for (size_t i = 0; call && i < COUNT_OF(members); i++) {
        list[n].is_enumerable = 1;
        list[n++].atom = JS_DupAtom(ctx, call->http->fields[i]);
    }
    *out = list;
    *count = n;
    return 0;
}

static void free_response(JSRuntime *rt, JSValue value)
{
    struct http_call *call = JS_GetOpaque(value, http_response_class.id);

    if (call)
        http_call_free(rt, call);
}

static void mark_response(JSRuntime *rt, JSValueConst value, JS_MarkFunc *mark)
{
    struct http_call *call = JS_GetOpaque(value, http_response_class.id);

    if (!call)
        return;
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if ((call->made >> i) & 1)
            JS_MarkValue(rt, call->members[i], mark);
    }
    JS_MarkValue(rt, call->json, mark);
    JS_MarkValue(rt, call->jar_object, mark);
}

static JSClassExoticMethods exotic = {
    .get_own_property = get_own_property,
    .get_own_property_names = get_own_property_names,
};

struct host_class http_response_class = {
    .def = {.class_name = "Response",
            .finalizer = free_response,
            .gc_mark = mark_response,
            .exotic = &exotic},
    .methods = http_response_methods,
    .method_count = 4,
};

/* --- the end of a call -------------------------------------------------------------------- */

static void say_failed(const struct http_call *call)
{
    static struct log_limit limit;

    char *error = str_dup(call->response.error_long);

    log_burst(&limit, LOG_WARN, STR("Request Failed"), "error", error, NULL);
    mem_free(error);
}

/* k6-features.md OPT-11. */
static void say_redirects(const struct http_call *call)
{
    static struct log_limit limit;

    char *url = str_dup(call->url_text);
    char most[16];

    snprintf(most, sizeof most, "%d", call->request.max_redirects);
    log_burst(&limit, LOG_WARN,
              STR("stopped at the limit of redirects and returned the redirection; allow more with "
                  "the option maxRedirects"),
              "maxRedirects", most, "url", url, NULL);
    mem_free(url);
}

/* The client writes the length itself; a script that says another one is told (HTP-07). */
static void say_length(const struct http_call *call)
{
    static struct log_limit limit;

    for (size_t i = 0; i < call->request.header_count; i++) {
        const struct http_header *h = &call->request.headers[i];
        int64_t length;

        if (!str_eq_nocase(h->name, STR("Content-Length")) ||
            (str_to_i64(h->value, &length) && length == (int64_t)call->request.body.len))
            continue;
        log_limited(&limit, LOG_WARN,
                    "the header Content-Length of a request is left out: its body has %zu bytes, "
                    "not %.*s",
                    call->request.body.len, STR_ARG(h->value));
    }
}

JSValue http_call_finish(JSContext *ctx, struct http_call *call)
{
    JSRuntime *rt = JS_GetRuntime(ctx);
    JSValue object;

    if (call->err == ERR_CANCELLED) {
        http_call_free(rt, call);
        return host_throw_interrupted(ctx);
    }
    if (call->err && call->throws) {
        object = host_throw(ctx, "%.*s", STR_ARG(call->response.error_long));
        http_call_free(rt, call);
        return object;
    }
    if (call->err)
        say_failed(call);
    else if (call->says_redirects && call->response.hit_redirect_limit)
        say_redirects(call);
    say_length(call);
    if (call->http->fields[0] == JS_ATOM_NULL)
        make_atoms(ctx, call->http);
    object = host_object_new(ctx, &http_response_class, call);
    if (JS_IsException(object))
        http_call_free(rt, call);
    return object;
}

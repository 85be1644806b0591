/* k6/net/grpc (k6-features.md GRP-01 to GRP-08): the Client's schemas and its connection. Its calls
 * are in grpc/. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/options.h"
#include "loop/fiber.h"
#include "net/dialer.h"
#include "net/tls.h"
#include "script/grpc/internal.h"

static const int64_t CONNECT_TIMEOUT = 60 * NSEC_PER_SEC; /* GRP-02 */

/* --- schemas ------------------------------------------------------------------------------ */

static void add_schema(struct grpc_client *c, const struct pb_schema *schema)
{
    c->schemas = mem_reallocarray(c->schemas, c->schema_count + 1, sizeof(c->schemas[0]));
    c->schemas[c->schema_count++] = schema;
}

const struct pb_method *grpc_find_method(JSContext *ctx, const struct grpc_client *c,
                                         struct str name, const struct pb_schema **schema)
{
    if (c->reflected && pb_schema_method(&c->reflected->schema, name)) {
        *schema = &c->reflected->schema;
        return pb_schema_method(*schema, name);
    }
    for (size_t i = 0; i < c->schema_count; i++) {
        const struct pb_method *method = pb_schema_method(c->schemas[i], name);

        *schema = c->schemas[i];
        if (method)
            return method;
    }
    host_throw(ctx, "method \"%.*s\" not found in file descriptors", STR_ARG(name));
    return NULL;
}

static JSValue method_object(JSContext *ctx, const struct pb_method *m)
{
    ptrdiff_t slash = str_rfind(m->name, '/');
    struct str service = str_slice(m->name, 0, (size_t)slash);
    ptrdiff_t dot = str_rfind(service, '.');
    JSValue entry = JS_NewObject(ctx);

    if (host_set_str(ctx, entry, "package", str_slice(service, 0, dot < 0 ? 0 : (size_t)dot)) < 0 ||
        host_set_str(ctx, entry, "service", str_from_index(service, (size_t)(dot + 1))) < 0 ||
        host_set_str(ctx, entry, "name", str_from_index(m->name, (size_t)slash + 1)) < 0 ||
        host_set(ctx, entry, "isClientStream", JS_NewBool(ctx, m->client_streams)) < 0 ||
        host_set(ctx, entry, "isServerStream", JS_NewBool(ctx, m->server_streams)) < 0) {
        JS_FreeValue(ctx, entry);
        return JS_EXCEPTION;
    }
    return entry;
}

/* What load() returns: the methods that there are now. */
static JSValue method_list(JSContext *ctx, const struct pb_schema *schema)
{
    JSValue list = JS_NewArray(ctx);
    uint32_t count = 0;

    for (struct map_entry *e = map_first(&schema->methods); e; e = map_next(&schema->methods, e)) {
        JSValue entry = method_object(ctx, e->value);

        if (JS_IsException(entry) || JS_SetPropertyUint32(ctx, list, count++, entry) < 0) {
            JS_FreeValue(ctx, list);
            return JS_EXCEPTION;
        }
    }
    return list;
}

/* The texts of an array's elements, in the VU's arena; -1: an exception. */
static int64_t read_texts(JSContext *ctx, JSValueConst array, struct str **out)
{
    struct vu *vu = vu_of(ctx);
    int64_t count = host_is_nullish(array) ? 0 : host_length(ctx, array);

    if (count < 0 || count > UINT16_MAX)
        return -1;
    *out = arena_alloc(&vu->arena, ((size_t)count + 1) * sizeof **out);
    for (int64_t i = 0; i < count; i++) {
        JSValue item = JS_GetPropertyUint32(ctx, array, (uint32_t)i);
        int err = JS_IsException(item) ? -1 : host_str(ctx, item, &(*out)[i]);

        JS_FreeValue(ctx, item);
        if (err < 0)
            return -1;
    }
    return count;
}

static JSValue load(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_client *c = host_this(ctx, this_val, &grpc_client_class);
    size_t file_count = argc > 1 ? (size_t)argc - 1 : 0;
    const struct pb_schema *schema;
    struct str *folders = NULL;
    struct str *files;
    int64_t folder_count;

    if (!c || host_need_init(ctx, "client.load()") < 0)
        return JS_EXCEPTION;
    folder_count = read_texts(ctx, host_arg(argc, argv, 0), &folders);
    if (folder_count < 0)
        return JS_HasException(ctx)
                   ? JS_EXCEPTION
                   : JS_ThrowTypeError(ctx, "client.load(): the import paths must be an array");
    if (file_count == 0)
        return JS_ThrowTypeError(ctx, "client.load() needs the name of a .proto file");
    files = arena_alloc(&vu_of(ctx)->arena, file_count * sizeof *files);
    for (size_t i = 0; i < file_count; i++) {
        if (host_str(ctx, argv[i + 1], &files[i]) < 0)
            return JS_EXCEPTION;
    }
    schema = protos_load(ctx, folders, (size_t)folder_count, files, file_count);
    if (!schema)
        return JS_EXCEPTION;
    add_schema(c, schema);
    return method_list(ctx, schema);
}

static JSValue load_protoset(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_client *c = host_this(ctx, this_val, &grpc_client_class);
    const struct pb_schema *schema;
    struct str path;

    if (!c || host_need_init(ctx, "client.loadProtoset()") < 0 ||
        host_str(ctx, host_arg(argc, argv, 0), &path) < 0)
        return JS_EXCEPTION;
    schema = protos_load_set(ctx, path);
    if (!schema)
        return JS_EXCEPTION;
    add_schema(c, schema);
    return method_list(ctx, schema);
}

/* --- parameters of connect() -------------------------------------------------------------- */

struct connect_params {
    bool plaintext;
    bool reflect;
    int64_t timeout;
    int64_t max_receive;
    int64_t max_send;
    struct str authority;
};

static int read_size(JSContext *ctx, JSValueConst params, const char *name, int64_t *out)
{
    JSValue value = host_get(ctx, params, name);
    int err = JS_IsException(value) ? -1 : 0;

    if (err == 0 && !host_is_nullish(value))
        err = host_int64(ctx, value, out);
    JS_FreeValue(ctx, value);
    if (err == 0 && (*out < 0 || *out > INT32_MAX)) {
        JS_ThrowRangeError(ctx, "params.%s must be between 0 and %d", name, INT32_MAX);
        err = -1;
    }
    return err;
}

static int read_text(JSContext *ctx, JSValueConst object, const char *name, struct str *out)
{
    JSValue value = host_get(ctx, object, name);
    int err = JS_IsException(value) ? -1 : 0;

    if (err == 0 && !host_is_nullish(value))
        err = host_str(ctx, value, out);
    JS_FreeValue(ctx, value);
    return err;
}

static int read_connect(JSContext *ctx, JSValueConst params, struct connect_params *out)
{
    JSValue timeout;
    int plaintext;
    int reflect;
    int err;

    *out = (struct connect_params){.timeout = CONNECT_TIMEOUT, .authority = STR("")};
    if (!JS_IsObject(params))
        return 0;
    plaintext = host_get_bool(ctx, params, "plaintext", false);
    reflect = host_get_bool(ctx, params, "reflect", false);
    timeout = host_get(ctx, params, "timeout");
    err = plaintext < 0 || reflect < 0 || JS_IsException(timeout) ? -1 : 0;
    if (err == 0 && !host_is_nullish(timeout))
        err = host_duration(ctx, timeout, "params.timeout", &out->timeout);
    JS_FreeValue(ctx, timeout);
    out->plaintext = plaintext > 0;
    out->reflect = reflect > 0;
    return err < 0 || read_size(ctx, params, "maxReceiveSize", &out->max_receive) < 0 ||
                   read_size(ctx, params, "maxSendSize", &out->max_send) < 0 ||
                   read_text(ctx, params, "authority", &out->authority) < 0
               ? -1
               : 0;
}

/* cacerts: a PEM text, or an array of them. */
static int add_roots(JSContext *ctx, struct tls_config *tls, JSValueConst cacerts, struct diag *d)
{
    struct str *list = NULL;
    struct str one;
    int64_t count = 1;

    if (host_is_nullish(cacerts))
        return 0;
    if (JS_IsArray(ctx, cacerts)) {
        count = read_texts(ctx, cacerts, &list);
    } else {
        list = &one;
        if (host_str(ctx, cacerts, &one) < 0)
            return -1;
    }
    for (int64_t i = 0; i < count; i++) {
        if (tls_config_add_roots(tls, list[i], d) != 0)
            return -1;
    }
    return count < 0 ? -1 : 0;
}

static int fill_tls(JSContext *ctx, struct tls_config *tls, JSValueConst object, struct diag *d)
{
    struct tls_client_cert cert = {STR(""), STR(""), STR(""), NULL, 0};
    JSValue cacerts = host_get(ctx, object, "cacerts");
    int err = JS_IsException(cacerts) ? -1 : add_roots(ctx, tls, cacerts, d);

    JS_FreeValue(ctx, cacerts);
    if (err < 0 || read_text(ctx, object, "cert", &cert.cert) < 0 ||
        read_text(ctx, object, "key", &cert.key) < 0 ||
        read_text(ctx, object, "password", &cert.password) < 0)
        return -1;
    return cert.cert.len && tls_config_add_cert(tls, &cert, d) != 0 ? -1 : 0;
}

/* A dialer with the certificates of params.tls. */
static int make_dialer(JSContext *ctx, struct grpc_client *c, JSValueConst params)
{
    struct script_worker *worker = vu_of(ctx)->worker;
    struct diag d = DIAG_INIT;
    JSValue object = JS_IsObject(params) ? host_get(ctx, params, "tls") : JS_UNDEFINED;
    int err = JS_IsException(object) ? -1 : 0;

    if (err == 0 && JS_IsObject(object)) {
        c->tls = tls_config_new();
        tls_config_set_insecure(c->tls,
                                options_bool(worker->options, OPTION_INSECURE_SKIP_TLS_VERIFY));
        err = fill_tls(ctx, c->tls, object, &d);
        if (err == 0 && http_worker_dialer(worker, c->tls, &c->dialer, &d) != 0)
            err = -1;
        if (err < 0 && d.message)
            host_throw(ctx, "params.tls: %s", d.message);
    }
    JS_FreeValue(ctx, object);
    diag_deinit(&d);
    return err;
}

/* --- the connection ----------------------------------------------------------------------- */

struct late {
    struct dialer *dialer;
    struct tls_config *tls;
};

/* Runs after the connection's reader, which was made ready before, has closed the stream. */
static void free_late(void *arg)
{
    struct late *late = arg;

    if (late->dialer)
        dialer_free(late->dialer);
    tls_config_free(late->tls);
    mem_free(late);
}

static void disconnect(struct grpc_client *c)
{
    h2_conn_unref(c->conn);
    c->conn = NULL;
    reflected_unref(c->reflected);
    c->reflected = NULL;
    mem_free((void *)(uintptr_t)c->authority.ptr);
    mem_free((void *)(uintptr_t)c->address.ptr);
    c->authority = STR("");
    c->address = (struct str){NULL, 0};
    c->authority.ptr = NULL;
    if (c->tls) {
        struct late *late = mem_alloc(sizeof *late);

        *late = (struct late){c->dialer, c->tls};
        fiber_start(c->loop, free_late, late);
    }
    c->dialer = NULL;
    c->tls = NULL;
}

YIELDS static int dial(JSContext *ctx, struct grpc_client *c, const struct url *url,
                       const struct connect_params *p)
{
    struct http_vu *http = c->http;
    struct dialer *dialer = c->dialer ? c->dialer : http->worker->dialer;
    struct dial_timing timing;
    struct diag d = DIAG_INIT;
    struct stream *stream;
    struct dial_request request = {
        .host = url->host,
        .port = url->port,
        .is_tls = !p->plaintext,
        .offer_h2 = true,
        .wants_tunnel = true,
        .proxy = dialer_proxy(dialer, !p->plaintext, url->host, url->port),
        .local = http->local.family != ADDR_NONE ? &http->local : NULL,
        .deadline = p->timeout > 0 ? clock_now() + p->timeout : INT64_MAX,
    };
    int err = dialer_dial(dialer, &request, &stream, &timing, &d);

    if (err == ERR_CANCELLED)
        host_throw_interrupted(ctx);
    else if (err)
        host_throw(ctx, "%.*s: %s", STR_ARG(c->address), d.message ? d.message : err_text(err));
    diag_deinit(&d);
    if (err)
        return -1;
    if (stream->tls && !stream->tls->is_h2) {
        stream_close(stream);
        host_throw(ctx, "%.*s does not speak HTTP/2", STR_ARG(c->address));
        return -1;
    }
    c->conn = h2_conn_new(stream);
    return 0;
}

/* "host:port" as a URL; -1: an exception. */
static int read_address(JSContext *ctx, JSValueConst value, bool plaintext, struct str *text,
                        struct url *url)
{
    struct arena *a = &vu_of(ctx)->arena;
    struct diag d = DIAG_INIT;
    int err;

    if (host_str(ctx, value, text) < 0)
        return -1;
    err = url_parse(
        str_of(arena_printf(a, "%s://%.*s/", plaintext ? "http" : "https", STR_ARG(*text))), a, url,
        &d);
    if (err || url->host.len == 0 || str_find(*text, ':') < 0) {
        host_throw(ctx, "\"%.*s\" is no address: use \"host:port\"", STR_ARG(*text));
        err = -1;
    }
    diag_deinit(&d);
    return err ? -1 : 0;
}

static int reflect(JSContext *ctx, struct grpc_client *c, JSValueConst params)
{
    JSValue metadata = host_get(ctx, params, "reflectMetadata");
    struct reflected *reflected = JS_IsException(metadata) ? NULL : grpc_reflect(ctx, c, metadata);

    JS_FreeValue(ctx, metadata);
    c->reflected = reflected;
    return reflected ? 0 : -1;
}

static JSValue connect_client(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_client *c = host_this(ctx, this_val, &grpc_client_class);
    struct connect_params p;
    struct str address;
    struct str authority;
    struct url url;

    if (!c || host_need_vu(ctx, "client.connect()") < 0 ||
        read_connect(ctx, host_arg(argc, argv, 1), &p) < 0 ||
        read_address(ctx, host_arg(argc, argv, 0), p.plaintext, &address, &url) < 0)
        return JS_EXCEPTION;
    c->http = http_vu_get(ctx, "client.connect()");
    if (!c->http)
        return JS_EXCEPTION;
    c->loop = vu_of(ctx)->loop;
    disconnect(c);
    authority = p.authority.len ? p.authority : url.authority;
    c->address = str_from(mem_strndup(address.ptr, address.len), address.len);
    c->authority = str_from(mem_strndup(authority.ptr, authority.len), authority.len);
    c->is_tls = !p.plaintext;
    c->max_receive = (size_t)p.max_receive;
    c->max_send = (size_t)p.max_send;
    if ((c->is_tls && make_dialer(ctx, c, host_arg(argc, argv, 1)) < 0) ||
        dial(ctx, c, &url, &p) < 0)
        return JS_EXCEPTION;
    return p.reflect && reflect(ctx, c, argv[1]) < 0 ? JS_EXCEPTION : JS_TRUE;
}

static JSValue close_client(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct grpc_client *c = host_this(ctx, this_val, &grpc_client_class);

    (void)argc;
    (void)argv;
    if (!c)
        return JS_EXCEPTION;
    disconnect(c);
    return JS_UNDEFINED;
}

/* --- tables ------------------------------------------------------------------------------- */

static JSValue construct(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    struct grpc_client *c = mem_zalloc(sizeof *c);
    JSValue object = host_object_construct(ctx, new_target, &grpc_client_class, c);

    (void)argc;
    (void)argv;
    if (JS_IsException(object))
        mem_free(c);
    return object;
}

static void finalize(JSRuntime *rt, JSValue value)
{
    struct grpc_client *c = JS_GetOpaque(value, grpc_client_class.id);

    (void)rt;
    if (!c)
        return;
    disconnect(c);
    mem_free(c->schemas);
    mem_free(c);
}

static const JSCFunctionListEntry methods[] = {
    JS_CFUNC_DEF("load", 1, load),
    JS_CFUNC_DEF("loadProtoset", 1, load_protoset),
    JS_CFUNC_DEF("connect", 2, connect_client),
    JS_CFUNC_DEF("invoke", 3, grpc_invoke),
    JS_CFUNC_DEF("asyncInvoke", 3, grpc_async_invoke),
    JS_CFUNC_DEF("healthCheck", 1, grpc_health_check),
    JS_CFUNC_DEF("close", 0, close_client),
};

struct host_class grpc_client_class = {
    .def = {.class_name = "Client", .finalizer = finalize},
    .methods = methods,
    .method_count = COUNT_OF(methods),
    .construct = construct,
};

#define STATUS(name, number) JS_PROP_INT32_DEF("Status" #name, number, JS_PROP_ENUMERABLE)

static const JSCFunctionListEntry constants[] = {
    STATUS(OK, 0),
    STATUS(Canceled, 1),
    STATUS(Unknown, 2),
    STATUS(InvalidArgument, 3),
    STATUS(DeadlineExceeded, 4),
    STATUS(NotFound, 5),
    STATUS(AlreadyExists, 6),
    STATUS(PermissionDenied, 7),
    STATUS(ResourceExhausted, 8),
    STATUS(FailedPrecondition, 9),
    STATUS(Aborted, 10),
    STATUS(OutOfRange, 11),
    STATUS(Unimplemented, 12),
    STATUS(Internal, 13),
    STATUS(Unavailable, 14),
    STATUS(DataLoss, 15),
    STATUS(Unauthenticated, 16),
    JS_PROP_STRING_DEF("HealthCheckServing", "SERVING", JS_PROP_ENUMERABLE),
    JS_PROP_STRING_DEF("HealthCheckNotServing", "NOT_SERVING", JS_PROP_ENUMERABLE),
    JS_PROP_STRING_DEF("HealthCheckUnknown", "UNKNOWN", JS_PROP_ENUMERABLE),
    JS_PROP_STRING_DEF("HealthCheckServiceUnkown", "SERVICE_UNKNOWN", JS_PROP_ENUMERABLE),
};

static int init(JSContext *ctx, JSValueConst ns)
{
    return host_class_add(ctx, ns, &grpc_client_class) < 0 ||
                   host_class_add(ctx, ns, &grpc_stream_class) < 0
               ? -1
               : 0;
}

static struct host_class *const classes[] = {&grpc_client_class, &grpc_stream_class, NULL};
static const char *const names[] = {"Client", "Stream", NULL};

const struct host_module mod_grpc = {
    .name = "k6/net/grpc",
    .functions = constants,
    .function_count = COUNT_OF(constants),
    .classes = classes,
    .init = init,
    .names = names,
};

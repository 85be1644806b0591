/* Server reflection (grpc.reflection.v1, or v1alpha where a server has only that): the schema of
 * every service that the server names. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "proto/pb/wire.h"
#include "script/grpc/internal.h"

/* Fields of ServerReflectionRequest and ServerReflectionResponse. */
enum {
    ASK_FILE_BY_NAME = 3,
    ASK_FILE_OF_SYMBOL = 4,
    ASK_SERVICES = 7,
    REPLY_FILES = 4,
    REPLY_SERVICES = 6,
    REPLY_ERROR = 7,
    FILES_MAX = 10000,
};

static const int64_t TIMEOUT = 60 * NSEC_PER_SEC;

void reflected_unref(struct reflected *r)
{
    if (!r || --r->refs > 0)
        return;
    pb_schema_deinit(&r->schema);
    mem_free(r);
}

struct reflection {
    struct grpc_op op;
    struct pb_schema *schema;
    struct map wanted; /* names of files that others import, by themselves */
    struct diag d;
};

/* --- question and answer ------------------------------------------------------------------ */

/* Sends one request and waits for its response. False: the call is over. */
YIELDS static bool ask(struct reflection *r, uint32_t field, struct str value, struct str *reply)
{
    struct buf request = BUF_INIT(SIZE_MAX);
    bool ok;

    pb_put_bytes(&request, field, value);
    grpc_send(&r->op.call, buf_str(&request), false);
    buf_deinit(&request);
    ok = grpc_receive(&r->op.call, reply);
    if (!ok)
        diag_set(&r->d, ERR_NOT_FOUND, "%.*s", STR_ARG(r->op.call.message));
    return ok;
}

/* The last field of that number and of bytes; a NULL pointer: there is none. */
static struct str bytes_field(struct str message, uint32_t number)
{
    struct pb_reader in = pb_reader_of(message);
    struct pb_field_value f;
    struct str found = {NULL, 0};

    while (pb_next(&in, &f) == 1) {
        if (f.number == number && f.type == PB_BYTES)
            found = f.bytes;
    }
    return found;
}

/* --- files -------------------------------------------------------------------------------- */

static void want(void *arg, struct str name)
{
    struct reflection *r = arg;

    if (!map_get(&r->schema->files, name))
        map_set(&r->wanted, name, r);
}

/* Takes the files of a response; each says which others it needs. */
static int take_files(struct reflection *r, struct str reply)
{
    struct str files = bytes_field(reply, REPLY_FILES);
    struct pb_reader in = pb_reader_of(files);
    struct pb_field_value f;

    if (!files.ptr)
        return diag_set(&r->d, ERR_NOT_FOUND, "the server does not describe a file: %.*s",
                        STR_ARG(bytes_field(bytes_field(reply, REPLY_ERROR), 2)));
    while (pb_next(&in, &f) == 1) {
        int err =
            f.number == 1 && f.type == PB_BYTES ? pb_schema_add_file(r->schema, f.bytes, &r->d) : 0;

        if (err)
            return err;
        if (f.type == PB_BYTES)
            pb_file_imports(f.bytes, want, r);
    }
    return 0;
}

YIELDS static int fetch(struct reflection *r, uint32_t field, struct str name)
{
    struct str reply;

    return ask(r, field, name, &reply) ? take_files(r, reply) : ERR_NOT_FOUND;
}

/* A wanted file that has not come yet; NULL: there is none. */
static struct map_entry *next_wanted(struct reflection *r)
{
    struct map_entry *e = map_first(&r->wanted);

    while (e && map_get(&r->schema->files, e->key))
        e = map_next(&r->wanted, e);
    return e;
}

YIELDS static int fetch_imports(struct reflection *r)
{
    struct map_entry *e;

    while ((e = next_wanted(r))) {
        struct str name = arena_str(&r->op.arena, e->key);
        int err = fetch(r, ASK_FILE_BY_NAME, name);

        if (err)
            return err;
        if (!map_get(&r->schema->files, name) || r->wanted.count > FILES_MAX)
            return diag_set(&r->d, ERR_NOT_FOUND, "the server does not describe %.*s",
                            STR_ARG(name));
    }
    return 0;
}

YIELDS static int fetch_all(struct reflection *r)
{
    struct str reply;
    struct str services;
    struct pb_reader in;
    struct pb_field_value f;

    if (!ask(r, ASK_SERVICES, STR("*"), &reply))
        return ERR_NOT_FOUND;
    services = arena_str(&r->op.arena, bytes_field(reply, REPLY_SERVICES));
    in = pb_reader_of(services);
    while (pb_next(&in, &f) == 1) {
        struct str name = f.type == PB_BYTES ? bytes_field(f.bytes, 1) : STR("");
        int err = name.len && !str_starts_with(name, STR("grpc.reflection."))
                      ? fetch(r, ASK_FILE_OF_SYMBOL, name)
                      : 0;

        if (err)
            return err;
    }
    return fetch_imports(r);
}

/* --- the whole ---------------------------------------------------------------------------- */

YIELDS static int run(JSContext *ctx, struct reflection *r, struct grpc_client *client,
                      const struct pb_method *method, JSValueConst params)
{
    static const struct pb_schema none;
    int err;

    if (grpc_op_init_method(ctx, &r->op, client, method, &none, params, TIMEOUT) < 0)
        return ERR_INVALID;
    r->op.call.deadline = clock_now() + r->op.timeout;
    grpc_open(&r->op.call);
    err = fetch_all(r);
    if (err == 0)
        err = pb_schema_resolve(r->schema, &r->d);
    if (err && r->op.call.status == GRPC_UNIMPLEMENTED)
        err = ERR_UNSUPPORTED;
    grpc_op_deinit(&r->op);
    return err;
}

struct reflected *grpc_reflect(JSContext *ctx, struct grpc_client *client, JSValueConst metadata)
{
    static const struct pb_method methods[] = {
        {.name = STR_INIT("grpc.reflection.v1.ServerReflection/ServerReflectionInfo")},
        {.name = STR_INIT("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")},
    };
    struct reflected *result = mem_zalloc(sizeof *result);
    struct reflection r = {.schema = &result->schema, .d = DIAG_INIT};
    JSValue params = JS_NewObject(ctx);
    int err = host_set(ctx, params, "metadata", JS_DupValue(ctx, metadata)) < 0 ? ERR_INVALID
                                                                                : ERR_UNSUPPORTED;

    pb_schema_init(r.schema);
    result->refs = 1;
    map_init(&r.wanted);
    for (size_t i = 0; i < COUNT_OF(methods) && err == ERR_UNSUPPORTED; i++) {
        diag_deinit(&r.d);
        err = run(ctx, &r, client, &methods[i], params);
    }
    JS_FreeValue(ctx, params);
    map_deinit(&r.wanted);
    if (err && fiber_is_cancelled(fiber_current()))
        host_throw_interrupted(ctx);
    else if (err && !JS_HasException(ctx))
        host_throw(ctx, "reflection: %s",
                   r.d.message ? r.d.message : "the server does not support it");
    diag_deinit(&r.d);
    if (err) {
        reflected_unref(result);
        return NULL;
    }
    return result;
}

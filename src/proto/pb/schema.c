/* Reads descriptor.proto by field number: the few fields that matter here, so that no generated
 * code for it is needed. */
#include "proto/pb/schema.h"

#include "base/err.h"
#include "proto/pb/wire.h"

enum { MAX_NESTING = 64 };

struct loader {
    struct pb_schema *schema;
    struct str package;
    bool proto3;
    unsigned nesting;
};

static const struct {
    const char *name;
    enum pb_well_known kind;
} well_known[] = {
    {"google.protobuf.Any", PB_ANY},
    {"google.protobuf.Timestamp", PB_TIMESTAMP},
    {"google.protobuf.Duration", PB_DURATION},
    {"google.protobuf.Struct", PB_STRUCT},
    {"google.protobuf.Value", PB_VALUE},
    {"google.protobuf.ListValue", PB_LIST_VALUE},
    {"google.protobuf.FieldMask", PB_FIELD_MASK},
    {"google.protobuf.Empty", PB_EMPTY},
    {"google.protobuf.DoubleValue", PB_WRAPPER},
    {"google.protobuf.FloatValue", PB_WRAPPER},
    {"google.protobuf.Int64Value", PB_WRAPPER},
    {"google.protobuf.UInt64Value", PB_WRAPPER},
    {"google.protobuf.Int32Value", PB_WRAPPER},
    {"google.protobuf.UInt32Value", PB_WRAPPER},
    {"google.protobuf.BoolValue", PB_WRAPPER},
    {"google.protobuf.StringValue", PB_WRAPPER},
    {"google.protobuf.BytesValue", PB_WRAPPER},
};

void pb_schema_init(struct pb_schema *s)
{
    arena_init(&s->_arena);
    map_init(&s->files);
    map_init(&s->messages);
    map_init(&s->enums);
    map_init(&s->methods);
}

void pb_schema_deinit(struct pb_schema *s)
{
    map_deinit(&s->files);
    map_deinit(&s->messages);
    map_deinit(&s->enums);
    map_deinit(&s->methods);
    arena_deinit(&s->_arena);
}

static struct str join(struct loader *l, struct str scope, struct str name)
{
    char *text;

    if (scope.len == 0)
        return arena_str(&l->schema->_arena, name);
    text = arena_printf(&l->schema->_arena, "%.*s.%.*s", STR_ARG(scope), STR_ARG(name));
    return str_of(text);
}

/* The first length-delimited field `number` of a message; empty when there is none. */
static struct str find_bytes(struct str message, uint32_t number)
{
    struct pb_reader r = pb_reader_of(message);
    struct pb_field_value v;

    while (pb_next(&r, &v) > 0) {
        if (v.number == number && v.type == PB_BYTES)
            return v.bytes;
    }
    return (struct str){NULL, 0};
}

/* "foo_bar_baz" as "fooBarBaz". */
static struct str camel(struct arena *arena, struct str name)
{
    char *out = arena_alloc(arena, name.len + 1);
    size_t len = 0;
    bool upper = false;

    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (c == '_') {
            upper = true;
            continue;
        }
        out[len++] = upper && c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
        upper = false;
    }
    out[len] = '\0';
    return str_from(out, len);
}

/* --- enums -------------------------------------------------------------------------------- */

static int load_enum(struct loader *l, struct str bytes, struct str scope)
{
    struct pb_enum *e = arena_zalloc(&l->schema->_arena, sizeof *e);
    struct pb_enum_value **last = &e->values;
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_field_value v;
    int more;

    e->name = join(l, scope, find_bytes(bytes, 1));
    while ((more = pb_next(&r, &v)) > 0) {
        struct pb_enum_value *value;
        struct pb_reader inner = pb_reader_of(v.bytes);
        struct pb_field_value part;

        if (v.number != 2 || v.type != PB_BYTES)
            continue;
        value = arena_zalloc(&l->schema->_arena, sizeof *value);
        while (pb_next(&inner, &part) > 0) {
            if (part.number == 1)
                value->name = arena_str(&l->schema->_arena, part.bytes);
            else if (part.number == 2)
                value->number = (int32_t)part.number_value;
        }
        *last = value;
        last = &value->next;
    }
    map_set(&l->schema->enums, e->name, e);
    return more;
}

/* --- messages ----------------------------------------------------------------------------- */

static bool is_packable(enum pb_type type)
{
    return type != PB_TYPE_STRING && type != PB_TYPE_BYTES && type != PB_TYPE_MESSAGE &&
           type != PB_TYPE_GROUP;
}

/* FieldOptions: packed = 2. */
static void load_field_options(struct pb_field *f, struct str options)
{
    struct pb_reader r = pb_reader_of(options);
    struct pb_field_value v;

    while (pb_next(&r, &v) > 0) {
        if (v.number == 2 && v.type == PB_VARINT)
            f->packed = v.number_value != 0;
    }
}

static struct pb_field *load_field(struct loader *l, struct str bytes)
{
    struct arena *arena = &l->schema->_arena;
    struct pb_field *f = arena_zalloc(arena, sizeof *f);
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_field_value v;
    struct str options = {NULL, 0};
    bool proto3_optional = false;
    uint64_t label = 0;

    f->oneof = -1;
    while (pb_next(&r, &v) > 0) {
        switch (v.number) {
        case 1:
            f->name = arena_str(arena, v.bytes);
            break;
        case 3:
            f->number = (uint32_t)v.number_value;
            break;
        case 4:
            label = v.number_value;
            break;
        case 5:
            f->type = (enum pb_type)v.number_value;
            break;
        case 6: /* ".package.Type" */
            f->type_name = arena_str(arena, str_from_index(v.bytes, 1));
            break;
        case 8:
            options = v.bytes;
            break;
        case 9:
            f->oneof = (int)v.number_value;
            break;
        case 10:
            f->json_name = arena_str(arena, v.bytes);
            break;
        case 17:
            proto3_optional = v.number_value != 0;
            break;
        default:
            break;
        }
    }
    f->repeated = label == 3;
    f->packed = f->repeated && l->proto3 && is_packable(f->type);
    load_field_options(f, options);
    f->has_presence = !f->repeated && (f->oneof >= 0 || proto3_optional || !l->proto3 ||
                                       f->type == PB_TYPE_MESSAGE || f->type == PB_TYPE_GROUP);
    if (proto3_optional)
        f->oneof = -1;
    if (f->json_name.len == 0)
        f->json_name = camel(arena, f->name);
    return f;
}

static enum pb_well_known well_known_of(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(well_known); i++) {
        if (str_eq_c(name, well_known[i].name))
            return well_known[i].kind;
    }
    return PB_PLAIN;
}

static bool is_map_entry(struct str options)
{
    struct pb_reader r = pb_reader_of(options);
    struct pb_field_value v;

    while (pb_next(&r, &v) > 0) {
        if (v.number == 7 && v.type == PB_VARINT)
            return v.number_value != 0;
    }
    return false;
}

static int load_message(struct loader *l, struct str bytes, struct str scope)
{
    struct pb_message *m = arena_zalloc(&l->schema->_arena, sizeof *m);
    struct pb_field **last = &m->fields;
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_field_value v;
    int more;
    int err = 0;

    if (++l->nesting > MAX_NESTING)
        return ERR_LIMIT;
    m->name = join(l, scope, find_bytes(bytes, 1));
    m->well_known = well_known_of(m->name);
    while (err == 0 && (more = pb_next(&r, &v)) != 0) {
        if (more < 0) {
            err = more;
        } else if (v.type != PB_BYTES) {
            continue;
        } else if (v.number == 2) {
            *last = load_field(l, v.bytes);
            last = &(*last)->next;
        } else if (v.number == 3) {
            err = load_message(l, v.bytes, m->name);
        } else if (v.number == 4) {
            err = load_enum(l, v.bytes, m->name);
        } else if (v.number == 7) {
            m->is_map_entry = is_map_entry(v.bytes);
        }
    }
    l->nesting--;
    map_set(&l->schema->messages, m->name, m);
    return err;
}

/* --- services ----------------------------------------------------------------------------- */

static void load_method(struct loader *l, struct str bytes, struct str service)
{
    struct arena *arena = &l->schema->_arena;
    struct pb_method *m = arena_zalloc(arena, sizeof *m);
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_field_value v;

    while (pb_next(&r, &v) > 0) {
        if (v.number == 1)
            m->name = str_of(arena_printf(arena, "%.*s/%.*s", STR_ARG(service), STR_ARG(v.bytes)));
        else if (v.number == 2)
            m->input_name = arena_str(arena, str_from_index(v.bytes, 1));
        else if (v.number == 3)
            m->output_name = arena_str(arena, str_from_index(v.bytes, 1));
        else if (v.number == 5)
            m->client_streams = v.number_value != 0;
        else if (v.number == 6)
            m->server_streams = v.number_value != 0;
    }
    if (m->name.len > 0)
        map_set(&l->schema->methods, m->name, m);
}

static int load_service(struct loader *l, struct str bytes)
{
    struct str name = join(l, l->package, find_bytes(bytes, 1));
    struct pb_reader r = pb_reader_of(bytes);
    struct pb_field_value v;
    int more;

    while ((more = pb_next(&r, &v)) > 0) {
        if (v.number == 2 && v.type == PB_BYTES)
            load_method(l, v.bytes, name);
    }
    return more;
}

/* --- files -------------------------------------------------------------------------------- */

int pb_schema_add_file(struct pb_schema *s, struct str descriptor, struct diag *d)
{
    struct loader l = {.schema = s, .package = find_bytes(descriptor, 2)};
    struct str name = find_bytes(descriptor, 1);
    struct str syntax = find_bytes(descriptor, 12);
    struct pb_reader r = pb_reader_of(descriptor);
    struct pb_field_value v;
    int more;
    int err = 0;

    if (name.len == 0)
        return diag_set(d, ERR_SYNTAX, "the file descriptor has no name");
    if (map_has(&s->files, name))
        return 0;
    map_set(&s->files, name, s);
    l.proto3 = !(syntax.len == 0 || str_eq_c(syntax, "proto2"));
    while (err == 0 && (more = pb_next(&r, &v)) != 0) {
        if (more < 0)
            err = more;
        else if (v.type == PB_BYTES && v.number == 4)
            err = load_message(&l, v.bytes, l.package);
        else if (v.type == PB_BYTES && v.number == 5)
            err = load_enum(&l, v.bytes, l.package);
        else if (v.type == PB_BYTES && v.number == 6)
            err = load_service(&l, v.bytes);
    }
    if (err)
        return diag_set(d, ERR_SYNTAX, "the descriptor of '%.*s' is malformed", STR_ARG(name));
    return 0;
}

int pb_schema_add_set(struct pb_schema *s, struct str set, struct diag *d)
{
    struct pb_reader r = pb_reader_of(set);
    struct pb_field_value v;
    int more;
    int err;

    while ((more = pb_next(&r, &v)) > 0) {
        if (v.number != 1 || v.type != PB_BYTES)
            continue;
        err = pb_schema_add_file(s, v.bytes, d);
        if (err)
            return err;
    }
    return more < 0 ? diag_set(d, more, "this is no FileDescriptorSet") : 0;
}

static int resolve_message(struct pb_schema *s, const struct pb_message *m, struct diag *d)
{
    for (struct pb_field *f = m->fields; f; f = f->next) {
        if (f->type == PB_TYPE_ENUM)
            f->enumeration = map_get(&s->enums, f->type_name);
        else if (f->type == PB_TYPE_MESSAGE || f->type == PB_TYPE_GROUP)
            f->message = map_get(&s->messages, f->type_name);
        else
            continue;
        if (!f->enumeration && !f->message)
            return diag_set(d, ERR_NOT_FOUND, "type '%.*s' of %.*s.%.*s is not defined",
                            STR_ARG(f->type_name), STR_ARG(m->name), STR_ARG(f->name));
    }
    return 0;
}

int pb_schema_resolve(struct pb_schema *s, struct diag *d)
{
    int err;

    for (struct map_entry *e = map_first(&s->messages); e; e = map_next(&s->messages, e)) {
        err = resolve_message(s, e->value, d);
        if (err)
            return err;
    }
    for (struct map_entry *e = map_first(&s->methods); e; e = map_next(&s->methods, e)) {
        struct pb_method *m = e->value;

        m->input = map_get(&s->messages, m->input_name);
        m->output = map_get(&s->messages, m->output_name);
        if (!m->input || !m->output)
            return diag_set(d, ERR_NOT_FOUND, "a message type of method '%.*s' is not defined",
                            STR_ARG(m->name));
    }
    return 0;
}

const struct pb_message *pb_schema_message(const struct pb_schema *s, struct str name)
{
    return map_get(&s->messages, name);
}

const struct pb_method *pb_schema_method(const struct pb_schema *s, struct str name)
{
    if (name.len > 0 && name.ptr[0] == '/')
        name = str_from_index(name, 1);
    return map_get(&s->methods, name);
}

const struct pb_field *pb_field_by_number(const struct pb_message *m, uint32_t number)
{
    const struct pb_field *f = m->fields;

    while (f && f->number != number)
        f = f->next;
    return f;
}

const struct pb_field *pb_field_by_name(const struct pb_message *m, struct str name)
{
    const struct pb_field *f = m->fields;

    while (f && !str_eq(f->json_name, name) && !str_eq(f->name, name))
        f = f->next;
    return f;
}

void pb_file_imports(struct str descriptor, void (*fn)(void *arg, struct str name), void *arg)
{
    struct pb_reader r = pb_reader_of(descriptor);
    struct pb_field_value v;

    while (pb_next(&r, &v) > 0) {
        if (v.number == 3 && v.type == PB_BYTES)
            fn(arg, v.bytes);
    }
}

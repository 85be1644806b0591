/* Message types that are known only at run time: what .proto files and gRPC reflection describe.
 *
 * A schema is filled from FileDescriptorProto bytes (google/protobuf/descriptor.proto) and then
 * resolved; it is read-only from then on and may be shared by threads. */
#ifndef PROTO_PB_SCHEMA_H
#define PROTO_PB_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/map.h"
#include "base/str.h"

/* The numbers of FieldDescriptorProto.Type. */
enum pb_type {
    PB_TYPE_DOUBLE = 1,
    PB_TYPE_FLOAT,
    PB_TYPE_INT64,
    PB_TYPE_UINT64,
    PB_TYPE_INT32,
    PB_TYPE_FIXED64,
    PB_TYPE_FIXED32,
    PB_TYPE_BOOL,
    PB_TYPE_STRING,
    PB_TYPE_GROUP,
    PB_TYPE_MESSAGE,
    PB_TYPE_BYTES,
    PB_TYPE_UINT32,
    PB_TYPE_ENUM,
    PB_TYPE_SFIXED32,
    PB_TYPE_SFIXED64,
    PB_TYPE_SINT32,
    PB_TYPE_SINT64,
};

struct pb_enum_value {
    struct str name;
    int32_t number;
    struct pb_enum_value *next;
};

struct pb_enum {
    struct str name; /* full, without a leading dot */
    struct pb_enum_value *values;
};

struct pb_field {
    struct str name;      /* as in the .proto file */
    struct str json_name; /* lowerCamelCase, or what the file says */
    uint32_t number;
    enum pb_type type;
    bool repeated;
    bool packed;
    bool has_presence; /* optional, a oneof's member, or a message */
    int oneof;         /* index of its oneof, -1: none; synthetic ones (optional) are -1 */
    struct str type_name;
    const struct pb_message *message; /* of a message or group */
    const struct pb_enum *enumeration;
    struct pb_field *next;
};

/* Types whose JSON form is their own (proto3 JSON mapping). */
enum pb_well_known {
    PB_PLAIN,
    PB_ANY,
    PB_TIMESTAMP,
    PB_DURATION,
    PB_STRUCT,
    PB_VALUE,
    PB_LIST_VALUE,
    PB_FIELD_MASK,
    PB_WRAPPER,
    PB_EMPTY,
};

struct pb_message {
    struct str name; /* full, without a leading dot */
    enum pb_well_known well_known;
    bool is_map_entry;
    struct pb_field *fields; /* in order of declaration */
};

struct pb_method {
    struct str name; /* "package.Service/Method" */
    struct str input_name;
    struct str output_name;
    const struct pb_message *input;
    const struct pb_message *output;
    bool client_streams;
    bool server_streams;
};

struct pb_schema {
    struct arena _arena;
    struct map files;    /* by file name; value: any non-NULL */
    struct map messages; /* by full name */
    struct map enums;
    struct map methods; /* by "package.Service/Method" */
};

void pb_schema_init(struct pb_schema *s);
void pb_schema_deinit(struct pb_schema *s);

/* Adds a FileDescriptorProto; a file that is there already (by its name) is passed over. The bytes
 * may go away afterwards. ERR_SYNTAX with a message when they are none. */
MUST_USE int pb_schema_add_file(struct pb_schema *s, struct str descriptor, struct diag *d);
/* Adds every file of a FileDescriptorSet (protoc --descriptor_set_out, a "protoset"). */
MUST_USE int pb_schema_add_set(struct pb_schema *s, struct str set, struct diag *d);
/* Links names to types; ERR_NOT_FOUND names the first one that is missing. May be called again
 * after more files were added. */
MUST_USE int pb_schema_resolve(struct pb_schema *s, struct diag *d);

const struct pb_message *pb_schema_message(const struct pb_schema *s, struct str name);
/* "/package.Service/Method", the slash in front may be missing; NULL when there is none. */
const struct pb_method *pb_schema_method(const struct pb_schema *s, struct str name);

const struct pb_field *pb_field_by_number(const struct pb_message *m, uint32_t number);
/* By its JSON name or its name in the file. */
const struct pb_field *pb_field_by_name(const struct pb_message *m, struct str name);

/* Calls fn for each import of a FileDescriptorProto (for reflection, which sends files singly). */
void pb_file_imports(struct str descriptor, void (*fn)(void *arg, struct str name), void *arg);

#endif

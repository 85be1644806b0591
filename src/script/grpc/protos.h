/* What scripts load of Protocol Buffers: .proto files, which protoc compiles, and protosets. Once
 * per process; every VU that loads the same gets the same schema. */
#ifndef SCRIPT_GRPC_PROTOS_H
#define SCRIPT_GRPC_PROTOS_H

#include "proto/pb/schema.h"
#include "script/internal.h"

/* The schema of `files`, which are looked for in `folders` in turn, as are their imports; NULL: an
 * exception. In the init context. Strings as the script gave them. */
MUST_USE const struct pb_schema *protos_load(JSContext *ctx, const struct str *folders,
                                             size_t folder_count, const struct str *files,
                                             size_t file_count);
/* The schema of a FileDescriptorSet's file; NULL: an exception. */
MUST_USE const struct pb_schema *protos_load_set(JSContext *ctx, struct str path);

/* For script_free. */
void protos_free(void *schema);

#endif

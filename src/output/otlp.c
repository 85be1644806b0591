#include "output/otlp.h"

#include "base/err.h"
#include "proto/pb/wire.h"

enum {
    REQUEST_RESOURCES = 1,
    RESOURCES_RESOURCE = 1,
    RESOURCES_SCOPES = 2,
    RESOURCE_ATTRIBUTES = 1,
    SCOPES_SCOPE = 1,
    SCOPE_NAME = 1,
    SCOPE_VERSION = 2,
    KEY_VALUE_KEY = 1,
    KEY_VALUE_VALUE = 2,
    ANY_VALUE_STRING = 1,
    ANY_VALUE_INT = 3,
    ANY_VALUE_DOUBLE = 4,
};

static size_t open_value(struct buf *out, uint32_t number, struct str key, size_t *attribute)
{
    *attribute = pb_begin(out, number);
    pb_put_text(out, KEY_VALUE_KEY, key);
    return pb_begin(out, KEY_VALUE_VALUE);
}

static void close_value(struct buf *out, size_t value, size_t attribute)
{
    pb_end(out, value);
    pb_end(out, attribute);
}

void otlp_put_text(struct buf *out, uint32_t number, struct str key, struct str value)
{
    size_t attribute;
    size_t any = open_value(out, number, key, &attribute);

    pb_put_text(out, ANY_VALUE_STRING, value);
    close_value(out, any, attribute);
}

void otlp_put_int(struct buf *out, uint32_t number, struct str key, int64_t value)
{
    size_t attribute;
    size_t any = open_value(out, number, key, &attribute);

    pb_put_uint(out, ANY_VALUE_INT, (uint64_t)value);
    close_value(out, any, attribute);
}

void otlp_put_double(struct buf *out, uint32_t number, struct str key, double value)
{
    size_t attribute;
    size_t any = open_value(out, number, key, &attribute);

    pb_put_double(out, ANY_VALUE_DOUBLE, value);
    close_value(out, any, attribute);
}

void otlp_put_time(struct buf *out, uint32_t number, int64_t wall_nsec)
{
    pb_put_tag(out, number, PB_FIXED64);
    pb_put_fixed64(out, (uint64_t)wall_nsec);
}

void otlp_open(struct buf *out, const struct otlp_resource *from, struct otlp_open *at)
{
    size_t part;

    at->resource = pb_begin(out, REQUEST_RESOURCES);
    part = pb_begin(out, RESOURCES_RESOURCE);
    otlp_put_text(out, RESOURCE_ATTRIBUTES, STR("service.name"), from->service);
    otlp_put_text(out, RESOURCE_ATTRIBUTES, STR("service.version"), from->version);
    if (from->instance.len)
        otlp_put_text(out, RESOURCE_ATTRIBUTES, STR("service.instance.id"), from->instance);
    if (from->region.len)
        otlp_put_text(out, RESOURCE_ATTRIBUTES, STR("cloud.region"), from->region);
    pb_end(out, part);
    at->scope = pb_begin(out, RESOURCES_SCOPES);
    part = pb_begin(out, SCOPES_SCOPE);
    pb_put_bytes(out, SCOPE_NAME, STR("gale"));
    pb_put_bytes(out, SCOPE_VERSION, STR(GALE_VERSION));
    pb_end(out, part);
}

/* partial_success of an Export...ServiceResponse: {how many were rejected, error_message}. A
 * message without a number is a warning only. */
uint64_t otlp_read_answer(struct str body, struct diag *d)
{
    struct pb_reader answer = pb_reader_of(body);
    struct pb_field_value partial;
    struct pb_field_value field;
    struct str why = STR("no reason given");
    uint64_t rejected = 0;

    while (pb_next(&answer, &partial) > 0) {
        struct pb_reader inside = pb_reader_of(partial.bytes);

        while (partial.number == 1 && pb_next(&inside, &field) > 0) {
            if (field.number == 1 && field.type == PB_VARINT)
                rejected = field.number_value;
            else if (field.number == 2 && field.type == PB_BYTES)
                why = field.bytes;
        }
    }
    if (rejected > 0)
        diag_set(d, ERR_NET, "the server took a part only: %.*s", STR_ARG(why));
    return rejected;
}

/* layer: store
 *
 * Rows of the run store, as a damaged file may hold them: whatever the bytes, they are read to
 * their end or refused, and a point that is taken is the same after another round. */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ensure.h"
#include "store/point.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(struct str point, enum metric_type type)
{
    struct buf bytes = BUF_INIT(SIZE_MAX);
    struct sink sink;
    struct sink again;

    sink_init(&sink, type);
    sink_init(&again, type);
    if (point_add(&sink, point) == 0) {
        point_encode(&sink, &bytes);
        ensure(point_add(&again, buf_str(&bytes)) == 0);
    } else {
        ensure(sink.is_empty);
    }
    sink_deinit(&sink);
    sink_deinit(&again);
    buf_deinit(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct row_reader r;
    struct str point;

    if (row_open(&r, str_from((const char *)data, size)) < 0)
        return 0;
    while (!r.is_alias && row_next(&r, &point) > 0) {
        take(point, METRIC_COUNTER);
        take(point, METRIC_GAUGE);
        take(point, METRIC_RATE);
        take(point, METRIC_TREND);
    }
    return 0;
}

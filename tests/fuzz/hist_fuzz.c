/* layer: metrics
 *
 * The histogram's wire form: any bytes either decode to something that encodes and decodes to the
 * same quantiles, or leave the histogram as it was. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/ensure.h"
#include "metrics/hist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hist *h = hist_new();
    struct hist *again = hist_new();
    struct buf wire = BUF_INIT(SIZE_MAX);

    if (hist_decode(h, str_from((const char *)data, size)) == 0) {
        hist_encode(h, &wire);
        ensure(hist_decode(again, buf_str(&wire)) == 0);
        ensure(hist_count(again) == hist_count(h));
        for (double q = 0; q <= 1; q += 0.25)
            ensure(!(hist_quantile(again, q) < hist_quantile(h, q)));
    } else {
        ensure(hist_count(h) == 0);
    }
    buf_deinit(&wire);
    hist_free(h);
    hist_free(again);
    return 0;
}

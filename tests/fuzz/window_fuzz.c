/* layer: fleet
 *
 * Windows from agents: any bytes are either refused, with a reason, or give a window that encodes
 * and decodes to as many values. The book is kept from input to input, as a controller's is. */
#include <stdint.h>
#include <stdlib.h>

#include "base/diag.h"
#include "base/ensure.h"
#include "fleet/series_book.h"
#include "fleet/window_wire.h"
#include "metrics/hist.h"
#include "metrics/window.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct series_book *book;

static uint64_t values(const struct window *w)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < w->count; i++) {
        const struct sink *sink = &w->series[i].sink;

        ensure(!sink->is_empty && sink->type == w->series[i].series->metric->type);
        if (sink->type == METRIC_TREND)
            sum += hist_count(sink->hist);
        else if (sink->type == METRIC_RATE)
            sum += sink->rate.total;
        else
            sum++;
    }
    return sum;
}

static void read_again(void *arg, struct str bytes)
{
    const struct window *want = arg;
    struct window *got = NULL;
    struct series_book *fresh = series_book_new(0);

    ensure(window_decode(fresh, bytes, &got, NULL) == 0);
    /* A series may have been there twice: sums can overflow, counters and gauges become one. */
    ensure(got->count <= want->count);
    ensure(got->count < want->count || values(got) == values(want));
    window_free(got);
    series_book_free(fresh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct window *w = NULL;
    struct diag d = DIAG_INIT;

    if (!book || series_book_count(book) > 1000) {
        series_book_free(book);
        book = series_book_new(1000);
    }
    if (window_decode(book, str_from((const char *)data, size), &w, &d) == 0)
        window_encode((const struct window *const *)&w, 1, SIZE_MAX, read_again, w);
    else
        ensure(!w && d.message);
    window_free(w);
    diag_deinit(&d);
    return 0;
}

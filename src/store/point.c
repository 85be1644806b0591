#include "store/point.h"

#include <math.h>

#include "base/err.h"
#include "base/varint.h"
#include "metrics/hist.h"

bool point_adds_up(struct str metric)
{
    return str_eq_c(metric, "vus") || str_eq_c(metric, "vus_max");
}

/* --- numbers ------------------------------------------------------------------------------ */

static void put_number(struct buf *out, double value)
{
    bool is_whole = rint(value) == value && fabs(value) < 0x1p53;

    if (is_whole) {
        varint_put(out, varint_zigzag((int64_t)value) << 1);
        return;
    }
    varint_put(out, 1);
    varint_put_double(out, value);
}

static bool get_number(struct str *in, double *out)
{
    uint64_t head;

    if (!varint_get(in, &head))
        return false;
    if (head & 1)
        return varint_get_double(in, out);
    *out = (double)varint_unzigzag(head >> 1);
    return true;
}

/* --- sinks -------------------------------------------------------------------------------- */

void point_encode(const struct sink *sink, struct buf *out)
{
    switch (sink->type) {
    case METRIC_COUNTER:
        put_number(out, sink->sum);
        break;
    case METRIC_GAUGE:
        put_number(out, sink->gauge.value);
        put_number(out, sink->gauge.min);
        put_number(out, sink->gauge.max);
        varint_put(out, varint_zigzag(sink->gauge.wall_nsec));
        break;
    case METRIC_RATE:
        varint_put(out, sink->rate.trues);
        varint_put(out, sink->rate.total);
        break;
    case METRIC_TREND:
        hist_encode(sink->hist, out);
        break;
    }
}

static int get_gauge(struct sink *dst, struct str in)
{
    struct sink read;
    uint64_t wall;

    sink_init(&read, METRIC_GAUGE);
    if (!get_number(&in, &read.gauge.value) || !get_number(&in, &read.gauge.min) ||
        !get_number(&in, &read.gauge.max) || !varint_get(&in, &wall) || in.len > 0)
        return ERR_SYNTAX;
    read.gauge.wall_nsec = varint_unzigzag(wall);
    read.is_empty = false;
    sink_merge(dst, &read);
    return 0;
}

int point_add(struct sink *dst, struct str in)
{
    double sum;
    uint64_t trues;
    uint64_t total;
    int err = 0;

    switch (dst->type) {
    case METRIC_COUNTER:
        if (!get_number(&in, &sum) || in.len > 0)
            return ERR_SYNTAX;
        dst->sum += sum;
        break;
    case METRIC_GAUGE:
        return get_gauge(dst, in);
    case METRIC_RATE:
        if (!varint_get(&in, &trues) || !varint_get(&in, &total) || in.len > 0)
            return ERR_SYNTAX;
        dst->rate.trues += trues;
        dst->rate.total += total;
        break;
    case METRIC_TREND:
        if (!dst->hist)
            dst->hist = hist_new();
        err = hist_decode(dst->hist, in);
        break;
    }
    if (err)
        return ERR_SYNTAX;
    dst->is_empty = false;
    return 0;
}

/* --- rows --------------------------------------------------------------------------------- */

void row_begin(struct row_writer *w, struct buf *out)
{
    *w = (struct row_writer){out, 0};
    varint_put(out, 0);
}

void row_alias(struct buf *out, uint32_t series)
{
    varint_put(out, (uint64_t)series + 1);
}

void row_put(struct row_writer *w, uint64_t slot, struct str point)
{
    varint_put(w->out, slot - w->last);
    varint_put(w->out, point.len);
    buf_append_str(w->out, point);
    w->last = slot;
}

int row_open(struct row_reader *r, struct str row)
{
    uint64_t head;

    *r = (struct row_reader){.rest = row};
    if (!varint_get(&r->rest, &head) || head > UINT32_MAX || (head && r->rest.len))
        return ERR_SYNTAX;
    r->is_alias = head > 0;
    r->alias = head ? (uint32_t)(head - 1) : 0;
    return 0;
}

int row_next(struct row_reader *r, struct str *point)
{
    uint64_t step;
    uint64_t len;

    if (r->rest.len == 0)
        return 0;
    if (!varint_get(&r->rest, &step) || !varint_get(&r->rest, &len) || len > r->rest.len)
        return ERR_SYNTAX;
    r->slot += step;
    *point = str_from(r->rest.ptr, (size_t)len);
    r->rest = str_from_index(r->rest, (size_t)len);
    return 1;
}

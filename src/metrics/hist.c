/* The bucket of a positive double is its exponent and the top BUCKET_BITS of its mantissa, which is
 * just the top of its bit pattern: an octave holds SUB buckets of equal width. Octaves are
 * allocated on first touch; a typical series of latencies spans ten of 2,046. Negative values have
 * a mirror. */
#include "metrics/hist.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/varint.h"

enum {
    BUCKET_BITS = 10, /* width 2^-10 of the octave: the middle is at most 0.05 % off */
    SUB = 1 << BUCKET_BITS,
    OCTAVES = 2048, /* every exponent of a double; 0 holds zero and what is too small */
};

struct octave {
    uint32_t exponent;
    bool negative;
    uint64_t total; /* of counts */
    uint64_t counts[SUB];
};

struct hist {
    uint64_t count;
    double sum;
    double lost; /* what rounding has taken from `sum` (Neumaier) */
    double min;
    double max;
    double *raw; /* the values while there are few; NULL once bucketed */
    uint32_t raw_cap;
    bool bucketed;
    uint64_t zeros;          /* zero and subnormal values */
    struct octave **octaves; /* by value, ascending: negative ones first, largest magnitude first */
    uint32_t octave_count;
    struct octave *last; /* where the last value went: neighbours share octaves */
};

struct hist *hist_new(void)
{
    return mem_zalloc(sizeof(struct hist));
}

static void free_octaves(struct hist *h)
{
    for (uint32_t i = 0; i < h->octave_count; i++)
        mem_free(h->octaves[i]);
    mem_free((void *)h->octaves);
    h->octaves = NULL;
    h->octave_count = 0;
    h->last = NULL;
}

void hist_free(struct hist *h)
{
    if (!h)
        return;
    free_octaves(h);
    mem_free(h->raw);
    mem_free(h);
}

void hist_reset(struct hist *h)
{
    double *raw = h->raw;
    uint32_t cap = h->raw_cap;

    free_octaves(h);
    *h = (struct hist){.raw = raw, .raw_cap = cap};
}

/* --- buckets ------------------------------------------------------------------------------ */

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Order of octaves by value. */
static int64_t octave_key(uint32_t exponent, bool negative)
{
    return negative ? -(int64_t)exponent : (int64_t)exponent;
}

static struct octave *find_octave(struct hist *h, uint32_t exponent, bool negative)
{
    int64_t key = octave_key(exponent, negative);
    uint32_t low = 0;
    uint32_t high = h->octave_count;
    struct octave *octave;

    if (h->last && h->last->exponent == exponent && h->last->negative == negative)
        return h->last;
    while (low < high) {
        uint32_t mid = (low + high) / 2;

        if (octave_key(h->octaves[mid]->exponent, h->octaves[mid]->negative) < key)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < h->octave_count && h->octaves[low]->exponent == exponent &&
        h->octaves[low]->negative == negative) {
        h->last = h->octaves[low];
        return h->last;
    }
    octave = mem_zalloc(sizeof *octave);
    octave->exponent = exponent;
    octave->negative = negative;
    h->octaves = mem_reallocarray((void *)h->octaves, h->octave_count + 1, sizeof(struct octave *));
    memmove((void *)(h->octaves + low + 1), (void *)(h->octaves + low),
            (h->octave_count - low) * sizeof(struct octave *));
    h->octaves[low] = octave;
    h->octave_count++;
    h->last = octave;
    return octave;
}

static void add_to_bucket(struct hist *h, double value, uint64_t count)
{
    uint64_t bits = bits_of(value);
    uint32_t exponent = (uint32_t)(bits >> 52) & (OCTAVES - 1);
    struct octave *octave;

    if (exponent == 0) {
        h->zeros += count;
        return;
    }
    octave = find_octave(h, exponent, bits >> 63);
    octave->counts[bits >> (52 - BUCKET_BITS) & (SUB - 1)] += count;
    octave->total += count;
}

/* The middle of a bucket, within what was really recorded. */
static double bucket_value(const struct hist *h, const struct octave *octave, uint32_t sub)
{
    uint64_t half = UINT64_C(1) << (52 - BUCKET_BITS - 1);
    uint64_t bits = (uint64_t)octave->negative << 63 | (uint64_t)octave->exponent << 52 |
                    (uint64_t)sub << (52 - BUCKET_BITS) | half;
    double value;

    memcpy(&value, &bits, sizeof value);
    if (value < h->min)
        return h->min;
    return value > h->max ? h->max : value;
}

static void to_buckets(struct hist *h)
{
    h->bucketed = true;
    for (uint64_t i = 0; h->raw && i < h->count; i++)
        add_to_bucket(h, h->raw[i], 1);
    mem_free(h->raw);
    h->raw = NULL;
    h->raw_cap = 0;
}

/* --- recording and merging ---------------------------------------------------------------- */

/* Infinities would make every sum one: they count as the largest finite number. */
static double clamp(double value)
{
    if (value > DBL_MAX)
        return DBL_MAX;
    return value < -DBL_MAX ? -DBL_MAX : value;
}

/* Keeps what the rounding of each addition loses, so that a sum hardly depends on the order. One
 * that overflows stays at the largest number. */
static void add_to_sum(struct hist *h, double value)
{
    double sum = clamp(h->sum + value);

    if (fabs(sum) == DBL_MAX)
        h->lost = 0;
    else if (fabs(h->sum) >= fabs(value))
        h->lost += (h->sum - sum) + value;
    else
        h->lost += (value - sum) + h->sum;
    h->sum = sum;
}

static void note_range(struct hist *h, double min, double max)
{
    if (h->count == 0 || min < h->min)
        h->min = min;
    if (h->count == 0 || max > h->max)
        h->max = max;
}

static void keep_raw(struct hist *h, double value)
{
    if (!h->raw || h->count == h->raw_cap) {
        h->raw_cap = h->raw_cap ? h->raw_cap * 2 : 8;
        h->raw = mem_reallocarray(h->raw, h->raw_cap, sizeof *h->raw);
    }
    h->raw[h->count] = value;
}

void hist_record(struct hist *h, double value)
{
    if (isnan(value))
        return;
    value = clamp(value);
    note_range(h, value, value);
    add_to_sum(h, value);
    if (!h->bucketed && h->count == HIST_RAW_MAX)
        to_buckets(h);
    if (h->bucketed)
        add_to_bucket(h, value, 1);
    else
        keep_raw(h, value);
    h->count++;
}

static void merge_octaves(struct hist *dst, const struct hist *src)
{
    dst->zeros += src->zeros;
    for (uint32_t i = 0; i < src->octave_count; i++) {
        const struct octave *from = src->octaves[i];
        struct octave *to = find_octave(dst, from->exponent, from->negative);

        to->total += from->total;
        for (uint32_t sub = 0; sub < SUB; sub++)
            to->counts[sub] += from->counts[sub];
    }
}

void hist_merge(struct hist *dst, const struct hist *src)
{
    if (src->count == 0)
        return;
    if (!src->bucketed && !dst->bucketed && src->count + dst->count <= HIST_RAW_MAX) {
        for (uint64_t i = 0; i < src->count; i++)
            hist_record(dst, src->raw[i]);
        return;
    }
    if (!dst->bucketed)
        to_buckets(dst);
    note_range(dst, src->min, src->max);
    add_to_sum(dst, src->sum);
    add_to_sum(dst, src->lost);
    if (src->bucketed) {
        merge_octaves(dst, src);
    } else {
        for (uint64_t i = 0; i < src->count; i++)
            add_to_bucket(dst, src->raw[i], 1);
    }
    dst->count += src->count;
}

size_t hist_memory(const struct hist *h)
{
    return sizeof *h + h->raw_cap * sizeof *h->raw +
           h->octave_count * (sizeof(struct octave) + sizeof(struct octave *));
}

/* --- reading ------------------------------------------------------------------------------ */

uint64_t hist_count(const struct hist *h)
{
    return h->count;
}

double hist_sum(const struct hist *h)
{
    return h->sum + h->lost;
}

double hist_min(const struct hist *h)
{
    return h->min;
}

double hist_max(const struct hist *h)
{
    return h->max;
}

double hist_mean(const struct hist *h)
{
    return h->count ? hist_sum(h) / (double)h->count : 0;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

void hist_each(const struct hist *h, void (*fn)(void *arg, double value, uint64_t count), void *arg)
{
    bool zeros_done = h->zeros == 0;

    if (!h->bucketed) {
        double *sorted = mem_dup(h->raw, h->count * sizeof *sorted);

        qsort(sorted, h->count, sizeof *sorted, by_value);
        for (uint64_t i = 0; i < h->count; i++)
            fn(arg, sorted[i], 1);
        mem_free(sorted);
        return;
    }
    for (uint32_t i = 0; i < h->octave_count; i++) {
        const struct octave *octave = h->octaves[i];

        if (!octave->negative && !zeros_done) {
            fn(arg, 0, h->zeros);
            zeros_done = true;
        }
        for (uint32_t step = 0; step < SUB; step++) {
            uint32_t sub = octave->negative ? SUB - 1 - step : step;

            if (octave->counts[sub])
                fn(arg, bucket_value(h, octave, sub), octave->counts[sub]);
        }
    }
    if (!zeros_done)
        fn(arg, 0, h->zeros);
}

/* The value of rank `rank` (0-based) among values[0..count), which are put in another order: those
 * before it are not larger, those behind it not smaller (Hoare's selection). */
static double select_rank(double *values, int count, int rank)
{
    int low = 0;
    int high = count - 1;

    while (low < high) {
        double pivot = values[rank];
        int i = low;
        int j = high;

        while (i <= j) {
            double swap = values[i];

            if (swap < pivot) {
                i++;
            } else if (pivot < values[j]) {
                j--;
            } else {
                values[i++] = values[j];
                values[j--] = swap;
            }
        }
        if (j < rank)
            low = i;
        if (rank < i)
            high = j;
    }
    return values[rank];
}

/* The values of `rank` and the rank after it. */
static void raw_ranks(const struct hist *h, uint64_t rank, double out[2])
{
    double values[HIST_RAW_MAX];

    memcpy(values, h->raw, h->count * sizeof *values);
    out[0] = select_rank(values, (int)h->count, (int)rank);
    out[1] = out[0];
    if (rank + 1 < h->count)
        out[1] = select_rank(values + rank + 1, (int)(h->count - rank - 1), 0);
}

struct rank_search {
    uint64_t rank;
    uint64_t seen;
    unsigned found;
    double *out;
};

/* Notes a run of equal values; true once both ranks are found. */
static bool look_for_ranks(struct rank_search *s, double value, uint64_t count)
{
    s->seen += count;
    while (s->found < 2 && s->rank + s->found < s->seen)
        s->out[s->found++] = value;
    return s->found == 2;
}

static bool look_in_octave(struct rank_search *s, const struct hist *h, const struct octave *octave)
{
    if (s->seen + octave->total <= s->rank) {
        s->seen += octave->total;
        return false;
    }
    for (uint32_t step = 0; step < SUB; step++) {
        uint32_t sub = octave->negative ? SUB - 1 - step : step;

        if (octave->counts[sub] &&
            look_for_ranks(s, bucket_value(h, octave, sub), octave->counts[sub]))
            return true;
    }
    return false;
}

static void bucket_ranks(const struct hist *h, uint64_t rank, double out[2])
{
    struct rank_search s = {rank, 0, 0, out};
    bool zeros_done = false;

    for (uint32_t i = 0; i < h->octave_count; i++) {
        if (!zeros_done && !h->octaves[i]->negative) {
            zeros_done = true;
            if (look_for_ranks(&s, 0, h->zeros))
                return;
        }
        if (look_in_octave(&s, h, h->octaves[i]))
            return;
    }
    if (!zeros_done)
        look_for_ranks(&s, 0, h->zeros);
    while (s.found < 2) { /* the last rank has none behind it */
        out[s.found] = s.found ? out[0] : h->max;
        s.found++;
    }
}

double hist_quantile(const struct hist *h, double q)
{
    double place;
    double at[2];
    uint64_t rank;

    if (h->count == 0)
        return 0;
    if (!(q > 0))
        return h->min;
    if (q >= 1)
        return h->max;
    place = q * (double)(h->count - 1);
    rank = (uint64_t)place;
    if (h->bucketed)
        bucket_ranks(h, rank, at);
    else
        raw_ranks(h, rank, at);
    return at[0] + (at[1] - at[0]) * (place - (double)rank);
}

/* --- wire form ---------------------------------------------------------------------------- */

/* A kind, then
 *
 *   raw      count, the values. As doubles, or, where that says the same, as whole multiples of 1,
 *            1/1000 or 1/1,000,000 (a nanosecond, of times in milliseconds)
 *   buckets  count, sum, lost, min, max, zeros, octaves; of each octave its exponent and sign, how
 *            many of its buckets are filled, and of each of those the step from the one before and
 *            whether it holds more than one, and how many more than two then
 *
 * Numbers are varints, signed ones zigzag; doubles eight bytes, little-endian. Of raw values sum,
 * minimum and maximum are what recording them again gives. */
enum { WIRE_RAW = 1, WIRE_BUCKETS = 2, WIRE_SCALED = 3 /* and the index of the scale */ };

static const double scales[] = {1, 1e3, 1e6};

/* Whether all values are such multiples, of at most 53 bits. */
static bool fits_scale(const struct hist *h, double scale)
{
    for (uint64_t i = 0; i < h->count; i++) {
        double whole = rint(h->raw[i] * scale);

        if (!(fabs(whole) < 0x1p53) ||
            bits_of((double)(int64_t)whole / scale) != bits_of(h->raw[i]))
            return false;
    }
    return true;
}

static void put_raw(struct buf *out, const struct hist *h)
{
    size_t scale = 0;

    while (scale < COUNT_OF(scales) && !fits_scale(h, scales[scale]))
        scale++;
    varint_put(out, scale == COUNT_OF(scales) ? WIRE_RAW : WIRE_SCALED + scale);
    varint_put(out, h->count);
    for (uint64_t i = 0; i < h->count; i++) {
        if (scale == COUNT_OF(scales))
            varint_put_double(out, h->raw[i]);
        else
            varint_put(out, varint_zigzag((int64_t)rint(h->raw[i] * scales[scale])));
    }
}

static void put_octave(struct buf *out, const struct octave *octave)
{
    uint32_t filled = 0;
    uint32_t last = 0;

    for (uint32_t sub = 0; sub < SUB; sub++)
        filled += octave->counts[sub] != 0;
    varint_put(out, (uint64_t)octave->exponent << 1 | octave->negative);
    varint_put(out, filled);
    for (uint32_t sub = 0; sub < SUB; sub++) {
        uint64_t count = octave->counts[sub];

        if (!count)
            continue;
        varint_put(out, (uint64_t)(sub - last) << 1 | (count > 1));
        if (count > 1)
            varint_put(out, count - 2);
        last = sub;
    }
}

void hist_encode(const struct hist *h, struct buf *out)
{
    if (!h->bucketed) {
        put_raw(out, h);
        return;
    }
    varint_put(out, WIRE_BUCKETS);
    varint_put(out, h->count);
    varint_put_double(out, h->sum);
    varint_put_double(out, h->lost);
    varint_put_double(out, h->min);
    varint_put_double(out, h->max);
    varint_put(out, h->zeros);
    varint_put(out, h->octave_count);
    for (uint32_t i = 0; i < h->octave_count; i++)
        put_octave(out, h->octaves[i]);
}

static bool get_finite(struct str *in, double *out)
{
    return varint_get_double(in, out) && isfinite(*out);
}

/* Reads an octave: only looks at it when `h` is NULL, else adds it. */
static int get_octave(struct hist *h, struct str *in, uint64_t *total)
{
    uint64_t head;
    uint64_t filled;
    uint64_t sub = 0;
    struct octave *octave = NULL;

    if (!varint_get(in, &head) || !varint_get(in, &filled))
        return ERR_SYNTAX;
    if (head >> 1 == 0 || head >> 1 >= OCTAVES - 1 || filled > SUB)
        return ERR_LIMIT;
    if (h)
        octave = find_octave(h, (uint32_t)(head >> 1), head & 1);
    for (uint64_t i = 0; i < filled; i++) {
        uint64_t step;
        uint64_t more = 0;
        uint64_t count = 1;

        if (!varint_get(in, &step) || ((step & 1) && !varint_get(in, &more)))
            return ERR_SYNTAX;
        sub += step >> 1;
        if (step >> 1 >= SUB || sub >= SUB || more > UINT64_MAX / 2)
            return ERR_LIMIT;
        if (step & 1)
            count = more + 2;
        if (__builtin_add_overflow(*total, count, total))
            return ERR_LIMIT;
        if (octave) {
            octave->counts[sub] += count;
            octave->total += count;
        }
    }
    return 0;
}

/* The part behind `max`: looks at it, or adds it, as get_octave. */
static int get_buckets(struct hist *h, struct str in, uint64_t count)
{
    uint64_t zeros;
    uint64_t octaves;
    uint64_t total;

    if (!varint_get(&in, &zeros) || !varint_get(&in, &octaves))
        return ERR_SYNTAX;
    if (octaves > 2 * OCTAVES)
        return ERR_LIMIT;
    total = zeros;
    if (h)
        h->zeros += zeros;
    for (uint64_t i = 0; i < octaves; i++) {
        int err = get_octave(h, &in, &total);

        if (err)
            return err;
    }
    return total == count && in.len == 0 ? 0 : ERR_SYNTAX;
}

static int decode_buckets(struct hist *h, struct str in)
{
    uint64_t count;
    double sum;
    double lost;
    double min;
    double max;
    int err;

    if (!varint_get(&in, &count) || !get_finite(&in, &sum) || !get_finite(&in, &lost) ||
        !get_finite(&in, &min) || !get_finite(&in, &max) || !(min <= max))
        return ERR_SYNTAX;
    err = get_buckets(NULL, in, count);
    if (err || count == 0)
        return err;
    if (!h->bucketed)
        to_buckets(h);
    note_range(h, min, max);
    add_to_sum(h, sum);
    add_to_sum(h, lost);
    err = get_buckets(h, in, count);
    ensure(err == 0); /* it was looked at */
    h->count += count;
    return 0;
}

static int decode_raw(struct hist *h, struct str in, uint64_t kind)
{
    double values[HIST_RAW_MAX];
    uint64_t count;

    if (!varint_get(&in, &count))
        return ERR_SYNTAX;
    if (count > HIST_RAW_MAX)
        return ERR_LIMIT;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t whole = 0;

        if (kind == WIRE_RAW ? !get_finite(&in, &values[i]) : !varint_get(&in, &whole))
            return ERR_SYNTAX;
        if (kind != WIRE_RAW)
            values[i] = (double)varint_unzigzag(whole) / scales[kind - WIRE_SCALED];
    }
    if (in.len > 0)
        return ERR_SYNTAX;
    if (!h->raw && !h->bucketed && count > 0) {
        h->raw_cap = (uint32_t)count;
        h->raw = mem_calloc(count, sizeof *h->raw);
    }
    for (uint64_t i = 0; i < count; i++)
        hist_record(h, values[i]);
    return 0;
}

int hist_decode(struct hist *h, struct str in)
{
    uint64_t kind;

    if (!varint_get(&in, &kind))
        return ERR_SYNTAX;
    if (kind == WIRE_BUCKETS)
        return decode_buckets(h, in);
    if (kind == WIRE_RAW || (kind >= WIRE_SCALED && kind < WIRE_SCALED + COUNT_OF(scales)))
        return decode_raw(h, in, kind);
    return ERR_SYNTAX;
}

/* The bucket of a positive double is its exponent and the top BUCKET_BITS of its mantissa, which is
 * just the top of its bit pattern: an octave holds SUB buckets of equal width. Octaves are
 * allocated on first touch; a typical series of latencies spans ten of 2,046. Negative values have
 * a mirror. */
#include "metrics/hist.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

enum {
    BUCKET_BITS = 10, /* width 2^-10 of the octave: the middle is at most 0.05 % off */
    SUB = 1 << BUCKET_BITS,
    OCTAVES = 2048, /* every exponent of a double; 0 holds zero and what is too small */
    ENCODE_RAW = 1,
    ENCODE_BUCKETS = 2,
};

struct octave {
    uint32_t exponent;
    bool negative;
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

    if (exponent == 0) {
        h->zeros += count;
        return;
    }
    find_octave(h, exponent, bits >> 63)->counts[bits >> (52 - BUCKET_BITS) & (SUB - 1)] += count;
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

struct rank_search {
    uint64_t rank; /* 0-based */
    uint64_t seen;
    double low;  /* the value of that rank */
    double high; /* and of the next */
    int found;
};

static void look_for_rank(void *arg, double value, uint64_t count)
{
    struct rank_search *s = arg;

    if (s->found == 2)
        return;
    if (s->found == 1) {
        s->high = value;
        s->found = 2;
    } else if (s->seen + count > s->rank) {
        s->low = value;
        s->high = value;
        s->found = s->seen + count > s->rank + 1 ? 2 : 1;
    }
    s->seen += count;
}

double hist_quantile(const struct hist *h, double q)
{
    struct rank_search s = {0};
    double place;

    if (h->count == 0)
        return 0;
    if (!(q > 0))
        return h->min;
    if (q >= 1)
        return h->max;
    place = q * (double)(h->count - 1);
    s.rank = (uint64_t)place;
    hist_each(h, look_for_rank, &s);
    return s.low + (s.high - s.low) * (place - (double)s.rank);
}

/* --- wire form ---------------------------------------------------------------------------- */

/* kind, then count, sum, lost, min, max; raw values, or zeros and for each octave its exponent and
 * sign, its number of filled buckets, and for each of those the step from the one before and its
 * count. Numbers are varints, doubles eight bytes little-endian. */

static void put_varint(struct buf *out, uint64_t value)
{
    do {
        buf_append_char(out, (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0)));
        value >>= 7;
    } while (value);
}

static void put_double(struct buf *out, double value)
{
    uint64_t bits = bits_of(value);

    for (int i = 0; i < 8; i++)
        buf_append_char(out, (char)(bits >> (8 * i)));
}

static void put_octave(struct buf *out, const struct octave *octave)
{
    uint32_t filled = 0;
    uint32_t last = 0;

    for (uint32_t sub = 0; sub < SUB; sub++)
        filled += octave->counts[sub] != 0;
    put_varint(out, (uint64_t)octave->exponent << 1 | octave->negative);
    put_varint(out, filled);
    for (uint32_t sub = 0; sub < SUB; sub++) {
        if (!octave->counts[sub])
            continue;
        put_varint(out, sub - last);
        put_varint(out, octave->counts[sub]);
        last = sub;
    }
}

void hist_encode(const struct hist *h, struct buf *out)
{
    put_varint(out, h->bucketed ? ENCODE_BUCKETS : ENCODE_RAW);
    put_varint(out, h->count);
    put_double(out, h->sum);
    put_double(out, h->lost);
    put_double(out, h->min);
    put_double(out, h->max);
    if (!h->bucketed) {
        for (uint64_t i = 0; i < h->count; i++)
            put_double(out, h->raw[i]);
        return;
    }
    put_varint(out, h->zeros);
    put_varint(out, h->octave_count);
    for (uint32_t i = 0; i < h->octave_count; i++)
        put_octave(out, h->octaves[i]);
}

static bool get_varint(struct str *in, uint64_t *out)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && in->len > 0; shift += 7) {
        unsigned char byte = (unsigned char)in->ptr[0];

        *in = str_from_index(*in, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool get_double(struct str *in, double *out)
{
    uint64_t bits = 0;

    if (in->len < 8)
        return false;
    for (int i = 0; i < 8; i++)
        bits |= (uint64_t)(unsigned char)in->ptr[i] << (8 * i);
    *in = str_from_index(*in, 8);
    memcpy(out, &bits, sizeof *out);
    return isfinite(*out);
}

static int get_octave(struct hist *h, struct str *in, uint64_t *total)
{
    uint64_t head;
    uint64_t filled;
    uint64_t sub = 0;
    struct octave *octave;

    if (!get_varint(in, &head) || !get_varint(in, &filled))
        return ERR_SYNTAX;
    if (head >> 1 == 0 || head >> 1 >= OCTAVES - 1 || filled > SUB)
        return ERR_LIMIT;
    octave = find_octave(h, (uint32_t)(head >> 1), head & 1);
    for (uint64_t i = 0; i < filled; i++) {
        uint64_t step;
        uint64_t count;

        if (!get_varint(in, &step) || !get_varint(in, &count))
            return ERR_SYNTAX;
        sub += step;
        if (step >= SUB || sub >= SUB || __builtin_add_overflow(*total, count, total))
            return ERR_LIMIT;
        octave->counts[sub] += count;
    }
    return 0;
}

static int get_buckets(struct hist *h, struct str *in)
{
    uint64_t octaves;
    uint64_t total;
    int err;

    h->bucketed = true;
    if (!get_varint(in, &h->zeros) || !get_varint(in, &octaves))
        return ERR_SYNTAX;
    if (octaves > 2 * OCTAVES)
        return ERR_LIMIT;
    total = h->zeros;
    for (uint64_t i = 0; i < octaves; i++) {
        err = get_octave(h, in, &total);
        if (err)
            return err;
    }
    return total == h->count ? 0 : ERR_SYNTAX;
}

static int get_raw(struct hist *h, struct str *in, uint64_t count)
{
    if (count > HIST_RAW_MAX)
        return ERR_LIMIT;
    h->count = 0;
    h->raw_cap = (uint32_t)count;
    h->raw = count ? mem_calloc(count, sizeof *h->raw) : NULL;
    for (uint64_t i = 0; i < count; i++) {
        double value;

        if (!get_double(in, &value) || value < h->min || value > h->max)
            return ERR_SYNTAX;
        keep_raw(h, value);
        h->count++;
    }
    return 0;
}

int hist_decode(struct hist *h, struct str in)
{
    struct hist *read = hist_new();
    uint64_t kind;
    uint64_t count;
    int err = ERR_SYNTAX;

    if (get_varint(&in, &kind) && get_varint(&in, &count) && get_double(&in, &read->sum) &&
        get_double(&in, &read->lost) && get_double(&in, &read->min) &&
        get_double(&in, &read->max) && read->min <= read->max) {
        read->count = count;
        if (kind == ENCODE_RAW)
            err = get_raw(read, &in, count);
        else if (kind == ENCODE_BUCKETS)
            err = get_buckets(read, &in);
    }
    if (err == 0 && in.len > 0)
        err = ERR_SYNTAX;
    if (err == 0 && h->count == 0) {
        /* Most are decoded into an empty one: no copy. */
        struct hist empty = *h;

        *h = *read;
        *read = empty;
    } else if (err == 0) {
        hist_merge(h, read);
    }
    hist_free(read);
    return err;
}

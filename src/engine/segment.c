#include "engine/segment.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/err.h"
#include "base/gcd.h"
#include "base/mem.h"

struct fraction {
    uint64_t num;
    uint64_t den;
};

/* --- stripes ------------------------------------------------------------------------------ */

static uint64_t position(const struct stripe *s, uint64_t i)
{
    return s->positions ? s->positions[i] : s->first;
}

static uint64_t stripe_index(const struct stripe *s, uint64_t k)
{
    return k / s->count * s->cycle + position(s, k % s->count);
}

/* How many positions of a cycle lie below `limit`. */
static uint64_t positions_below(const struct stripe *s, uint64_t limit)
{
    uint64_t low = 0;
    uint64_t high = s->count;

    while (low < high) {
        uint64_t mid = (low + high) / 2;

        if (position(s, mid) < limit)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static uint64_t stripe_scale(const struct stripe *s, uint64_t total)
{
    return total / s->cycle * s->count + positions_below(s, total % s->cycle);
}

/* Who gets the next number: (owned + 1) / weight, compared without division; `parts`: nobody. */
static size_t next_owner(const uint64_t *weights, size_t parts, const uint64_t *owned)
{
    size_t next = parts;

    for (size_t i = 0; i < parts; i++) {
        if (owned[i] < weights[i] && (next == parts || (uint128)(owned[i] + 1) * weights[next] <
                                                           (uint128)(owned[next] + 1) * weights[i]))
            next = i;
    }
    return next;
}

/* Deals the numbers of one cycle to parts with these weights, whose sum is the cycle, and keeps
 * those of part `index`. */
static struct stripe deal(const uint64_t *weights, size_t parts, size_t index)
{
    struct stripe s = {.count = weights[index], .parts = parts, .index = index};
    uint64_t *owned = mem_calloc(parts, sizeof *owned);
    uint64_t kept = 0;

    for (size_t i = 0; i < parts; i++)
        s.cycle += weights[i];
    s.positions = mem_calloc(s.count ? s.count : 1, sizeof *s.positions);
    for (uint64_t at = 0; at < s.cycle && kept < s.count; at++) {
        size_t next = next_owner(weights, parts, owned);

        owned[next]++;
        if (next == index)
            s.positions[kept++] = at;
    }
    mem_free(owned);
    s.weights = mem_dup(weights, parts * sizeof *weights);
    return s;
}

static void push(struct segment *s, struct stripe stripe)
{
    s->stripes = mem_reallocarray(s->stripes, s->depth + 1, sizeof *s->stripes);
    s->stripes[s->depth++] = stripe;
}

/* --- segments ----------------------------------------------------------------------------- */

void segment_init(struct segment *s)
{
    *s = (struct segment){NULL, 0};
}

void segment_deinit(struct segment *s)
{
    for (size_t i = 0; i < s->depth; i++) {
        mem_free(s->stripes[i].positions);
        mem_free(s->stripes[i].weights);
    }
    mem_free(s->stripes);
    segment_init(s);
}

static struct stripe copy_stripe(const struct stripe *src)
{
    struct stripe s = *src;

    if (s.positions)
        s.positions = mem_dup(s.positions, s.count * sizeof(uint64_t));
    if (s.weights)
        s.weights = mem_dup(s.weights, s.parts * sizeof(uint64_t));
    return s;
}

void segment_copy(struct segment *dst, const struct segment *src)
{
    segment_init(dst);
    for (size_t i = 0; i < src->depth; i++)
        push(dst, copy_stripe(&src->stripes[i]));
}

void segment_nest_equal(struct segment *s, uint64_t index, uint64_t count)
{
    ensure(index < count);
    if (count > 1)
        push(s, (struct stripe){
                    .cycle = count, .count = 1, .first = index, .parts = count, .index = index});
}

void segment_nest_weighted(struct segment *s, const uint64_t *weights, size_t count, size_t index)
{
    uint64_t *reduced = mem_calloc(count, sizeof *reduced);
    uint64_t common = 0;

    ensure(index < count);
    for (size_t i = 0; i < count; i++)
        common = gcd(common, weights[i]);
    for (size_t i = 0; i < count; i++)
        reduced[i] = common ? weights[i] / common : 0;
    push(s, deal(reduced, count, index));
    mem_free(reduced);
}

/* How many of `total` each part of a level owns. */
static void level_shares(const struct stripe *level, uint64_t total, uint64_t *shares)
{
    uint64_t rest;

    memset(shares, 0, level->parts * sizeof *shares);
    if (level->cycle == 0)
        return; /* nobody has a weight */
    rest = total % level->cycle;
    if (!level->weights) {
        for (size_t part = 0; part < level->parts; part++)
            shares[part] = total / level->cycle + (part < rest);
        return;
    }
    for (uint64_t at = 0; at < rest; at++)
        shares[next_owner(level->weights, level->parts, shares)]++;
    for (size_t part = 0; part < level->parts; part++)
        shares[part] += total / level->cycle * level->weights[part];
}

/* Pushes a level of `s`, which has `vus` VUs in all, divided by its parts' VUs or as it is; returns
 * the VUs of the part. */
static uint64_t push_level(struct segment *s, const struct stripe *level, uint64_t vus,
                           bool only_without)
{
    uint64_t *shares = mem_calloc(level->parts, sizeof *shares);
    bool by_vus = !only_without;

    level_shares(level, vus, shares);
    for (size_t part = 0; part < level->parts && vus > 0; part++)
        by_vus |= shares[part] == 0;
    if (by_vus)
        segment_nest_weighted(s, shares, level->parts, level->index);
    else
        push(s, copy_stripe(level));
    vus = shares[level->index];
    mem_free(shares);
    return vus;
}

void segment_by_vus(const struct segment *s, uint64_t vus, struct segment *out)
{
    segment_init(out);
    for (size_t i = 0; i < s->depth; i++)
        vus = push_level(out, &s->stripes[i], vus, false);
}

void segment_for_arrivals(const struct segment *s, uint64_t vus, struct segment *out)
{
    segment_init(out);
    for (size_t i = 0; i < s->depth; i++)
        vus = push_level(out, &s->stripes[i], vus, true);
}

uint64_t segment_scale(const struct segment *s, uint64_t total)
{
    for (size_t i = 0; i < s->depth; i++)
        total = s->stripes[i].count ? stripe_scale(&s->stripes[i], total) : 0;
    return total;
}

uint64_t segment_index(const struct segment *s, uint64_t k)
{
    for (size_t i = s->depth; i-- > 0;)
        k = stripe_index(&s->stripes[i], k);
    return k;
}

/* --- parsing ------------------------------------------------------------------------------ */

/* "0.25" as 25/100. */
static bool parse_decimal(struct str text, struct fraction *out)
{
    struct str whole = str_cut(&text, '.');
    uint64_t den = 1;
    uint64_t fraction = 0;
    uint64_t integer;

    if (!str_to_u64(whole, &integer) || integer > 1000 || text.len > 9 ||
        (text.len > 0 && !str_to_u64(text, &fraction)))
        return false;
    for (size_t i = 0; i < text.len; i++)
        den *= 10;
    *out = (struct fraction){integer * den + fraction, den};
    return true;
}

/* "1/3", "20%", "0.5", "1". */
static bool parse_point(struct str text, struct fraction *out)
{
    ptrdiff_t slash;
    uint64_t common;

    text = str_trim(text);
    slash = str_find(text, '/');
    if (slash >= 0) {
        if (!str_to_u64(str_slice(text, 0, (size_t)slash), &out->num) ||
            !str_to_u64(str_from_index(text, (size_t)slash + 1), &out->den) || out->den == 0 ||
            out->den > SEGMENT_MAX_CYCLE)
            return false;
    } else if (str_ends_with(text, STR("%"))) {
        if (!parse_decimal(str_slice(text, 0, text.len - 1), out))
            return false;
        out->den *= 100;
    } else if (!parse_decimal(text, out)) {
        return false;
    }
    common = gcd(out->num, out->den);
    out->num /= common;
    out->den /= common;
    return out->num <= out->den;
}

static bool less(struct fraction a, struct fraction b)
{
    return (uint128)a.num * b.den < (uint128)b.num * a.den;
}

static bool same(struct fraction a, struct fraction b)
{
    return a.num == b.num && a.den == b.den;
}

static int parse_range(struct str text, struct fraction *from, struct fraction *to, struct diag *d)
{
    struct str rest = text;
    struct str first = str_cut(&rest, ':');
    bool ok;

    if (rest.ptr) {
        ok = parse_point(first, from) && parse_point(rest, to);
    } else {
        *from = (struct fraction){0, 1};
        ok = parse_point(first, to);
    }
    if (!ok || !less(*from, *to))
        return diag_set(d, ERR_INVALID,
                        "executionSegment: '%.*s' is no segment: write 20%%, 1/3, 0:1/3 or "
                        "0.5:0.75, between 0 and 1",
                        STR_ARG(text));
    return 0;
}

/* The points of the sequence, from 0 to 1; without one, those of the segment. */
static int parse_sequence(struct str text, struct fraction from, struct fraction to,
                          struct fraction **out, size_t *count, struct diag *d)
{
    struct fraction *points = mem_calloc(text.len + 4, sizeof *points);
    struct str rest = text;
    size_t n = 0;
    bool ok = true;

    if (text.len == 0) {
        points[n++] = (struct fraction){0, 1};
        if (from.num > 0)
            points[n++] = from;
        points[n++] = to;
        if (to.num < to.den)
            points[n++] = (struct fraction){1, 1};
    }
    while (text.len > 0 && rest.ptr && ok) {
        ok = parse_point(str_cut(&rest, ','), &points[n]) &&
             (n == 0 || less(points[n - 1], points[n]));
        n++;
    }
    ok = ok && n >= 2 && points[0].num == 0 && points[n - 1].num == points[n - 1].den;
    if (!ok) {
        mem_free(points);
        return diag_set(d, ERR_INVALID,
                        "executionSegmentSequence: '%.*s' must rise from 0 to 1, as in "
                        "0,1/3,2/3,1",
                        STR_ARG(text));
    }
    *out = points;
    *count = n;
    return 0;
}

static int common_denominator(const struct fraction *points, size_t count, uint64_t *out,
                              struct diag *d)
{
    uint64_t lcd = 1;

    for (size_t i = 0; i < count; i++) {
        lcd = lcd / gcd(lcd, points[i].den) * points[i].den;
        if (lcd > SEGMENT_MAX_CYCLE)
            return diag_set(d, ERR_INVALID,
                            "executionSegmentSequence: the common denominator of its parts is "
                            "above %d: use rounder shares",
                            SEGMENT_MAX_CYCLE);
    }
    *out = lcd;
    return 0;
}

int segment_parse(struct str text, struct str sequence, struct segment *out, struct diag *d)
{
    struct fraction from = {0, 1};
    struct fraction to = {1, 1};
    struct fraction *points = NULL;
    uint64_t *weights = NULL;
    size_t count = 0;
    size_t index = SIZE_MAX;
    uint64_t lcd = 0;
    int err = text.len > 0 ? parse_range(text, &from, &to, d) : 0;

    if (err == 0)
        err = parse_sequence(sequence, from, to, &points, &count, d);
    if (err == 0)
        err = common_denominator(points, count, &lcd, d);
    if (err)
        goto out;
    weights = mem_calloc(count, sizeof *weights);
    for (size_t i = 0; i + 1 < count; i++) {
        weights[i] =
            points[i + 1].num * (lcd / points[i + 1].den) - points[i].num * (lcd / points[i].den);
        if (same(points[i], from) && same(points[i + 1], to))
            index = i;
    }
    if (text.len > 0 && index == SIZE_MAX) {
        err = diag_set(d, ERR_INVALID,
                       "executionSegmentSequence: '%.*s' does not hold the segment '%.*s'",
                       STR_ARG(sequence), STR_ARG(text));
        goto out;
    }
    segment_init(out);
    if (text.len > 0 && count > 2)
        segment_nest_weighted(out, weights, count - 1, index);
out:
    mem_free(weights);
    mem_free(points);
    return err;
}

#include "base/duration.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

static const struct {
    struct str name;
    int64_t nsec;
} units[] = {
    {STR_INIT("ns"), 1},
    {STR_INIT("us"), 1000},
    {STR_INIT("µs"), 1000}, /* U+00B5 */
    {STR_INIT("μs"), 1000}, /* U+03BC */
    {STR_INIT("ms"), NSEC_PER_MSEC},
    {STR_INIT("s"), NSEC_PER_SEC},
    {STR_INIT("m"), 60 * NSEC_PER_SEC},
    {STR_INIT("h"), 3600 * NSEC_PER_SEC},
    {STR_INIT("d"), 86400 * NSEC_PER_SEC},
};

/* What fits 63 bits of nanoseconds. */
static const double MSEC_MAX = 9.2e12;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int64_t unit_nsec(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (str_eq(units[i].name, name))
            return units[i].nsec;
    }
    return 0;
}

/* One "12.5ms" at the front of `*s`; adds it to `*total`. */
static int parse_part(struct str *s, int128 *total)
{
    int128 whole = 0;
    int128 fraction = 0;
    int128 scale = 1;
    size_t digits = 0;
    size_t at = 0;
    size_t name_at;
    int64_t unit;

    for (; at < s->len && is_digit(s->ptr[at]); at++, digits++) {
        whole = whole * 10 + (s->ptr[at] - '0');
        if (whole > INT64_MAX)
            return ERR_LIMIT;
    }
    if (at < s->len && s->ptr[at] == '.') {
        for (at++; at < s->len && is_digit(s->ptr[at]); at++, digits++) {
            if (scale < 1000000000000000) {
                fraction = fraction * 10 + (s->ptr[at] - '0');
                scale *= 10;
            }
        }
    }
    name_at = at;
    while (at < s->len && !is_digit(s->ptr[at]) && s->ptr[at] != '.')
        at++;
    unit = unit_nsec(str_slice(*s, name_at, at));
    if (digits == 0 || unit == 0)
        return ERR_SYNTAX;
    *total += whole * unit + fraction * unit / scale;
    *s = str_from_index(*s, at);
    return *total > INT64_MAX ? ERR_LIMIT : 0;
}

int duration_parse(struct str s, int64_t *nsec)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    int128 total = 0;

    if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+'))
        s = str_from_index(s, 1);
    if (str_eq_c(s, "0")) {
        *nsec = 0;
        return 0;
    }
    if (s.len == 0)
        return ERR_SYNTAX;
    while (s.len > 0) {
        int err = parse_part(&s, &total);

        if (err)
            return err;
    }
    *nsec = negative ? -(int64_t)total : (int64_t)total;
    return 0;
}

int duration_parse_msec(struct str s, int64_t *nsec)
{
    double msec;

    if (!str_to_double(s, &msec))
        return duration_parse(s, nsec);
    if (fabs(msec) > MSEC_MAX)
        return ERR_LIMIT;
    *nsec = (int64_t)(msec * (double)NSEC_PER_MSEC);
    return 0;
}

/* `value` over `unit` with the trailing zeros of the fraction cut off: 1500000 over 1000000 is
 * "1.5". */
static size_t put_fraction(char *out, size_t size, uint64_t value, uint64_t unit)
{
    uint64_t rest = value % unit;
    size_t len = (size_t)snprintf(out, size, "%llu", (unsigned long long)(value / unit));

    if (rest == 0)
        return len;
    out[len++] = '.';
    for (uint64_t digit = unit / 10; rest != 0 && len + 1 < size; digit /= 10) {
        out[len++] = (char)('0' + rest / digit);
        rest %= digit;
    }
    out[len] = '\0';
    return len;
}

char *duration_format(int64_t nsec, char *out, size_t size)
{
    uint64_t left = nsec < 0 ? 0 - (uint64_t)nsec : (uint64_t)nsec;
    uint64_t minute = 60 * (uint64_t)NSEC_PER_SEC;
    size_t len = 0;

    if (nsec < 0)
        out[len++] = '-';
    if (left == 0) {
        snprintf(out, size, "0s");
    } else if (left < 1000) {
        snprintf(out + len, size - len, "%lluns", (unsigned long long)left);
    } else if (left < (uint64_t)NSEC_PER_SEC) {
        bool micro = left < (uint64_t)NSEC_PER_MSEC;

        len += put_fraction(out + len, size - len, left, micro ? 1000 : 1000000);
        snprintf(out + len, size - len, "%s", micro ? "µs" : "ms");
    } else {
        if (left >= 60 * minute)
            len += (size_t)snprintf(out + len, size - len, "%lluh",
                                    (unsigned long long)(left / (60 * minute)));
        if (left >= minute)
            len += (size_t)snprintf(out + len, size - len, "%llum",
                                    (unsigned long long)(left / minute % 60));
        len += put_fraction(out + len, size - len, left % minute, (uint64_t)NSEC_PER_SEC);
        snprintf(out + len, size - len, "s");
    }
    return out;
}

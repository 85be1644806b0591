#include "proto/pb/well_known.h"

#include <stdio.h>

#define TIMESTAMP_MIN INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define TIMESTAMP_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define DURATION_MAX INT64_C(315576000000)  /* 10,000 years */
#define NANOS 1000000000

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar, and back (by eras of 400
 * years, whose first day is a 1 March). */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned year_of_era = (unsigned)(y - era * 400);
    unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + (int64_t)day_of_era - 719468;
}

static void civil_from_days(int64_t days, int *year, unsigned *month, unsigned *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;

    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (int)yoe + (int)(era * 400) + (*month <= 2 ? 1 : 0);
}

static void put_fraction(int32_t nanos, struct buf *out)
{
    if (nanos == 0)
        return;
    if (nanos % 1000000 == 0)
        buf_printf(out, ".%03d", nanos / 1000000);
    else if (nanos % 1000 == 0)
        buf_printf(out, ".%06d", nanos / 1000);
    else
        buf_printf(out, ".%09d", nanos);
}

bool pb_timestamp_format(int64_t seconds, int32_t nanos, struct buf *out)
{
    int64_t days = seconds / 86400;
    int64_t rest = seconds % 86400;
    int year;
    unsigned month;
    unsigned day;

    if (seconds < TIMESTAMP_MIN || seconds > TIMESTAMP_MAX || nanos < 0 || nanos >= NANOS)
        return false;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    civil_from_days(days, &year, &month, &day);
    buf_printf(out, "%04d-%02u-%02uT%02d:%02d:%02d", year, month, day, (int)(rest / 3600),
               (int)(rest / 60 % 60), (int)(rest % 60));
    put_fraction(nanos, out);
    buf_append_char(out, 'Z');
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/* Exactly `count` digits at `*at`. */
static bool take_digits(struct str text, size_t *at, size_t count, int *out)
{
    int value = 0;

    if (*at + count > text.len)
        return false;
    for (size_t i = 0; i < count; i++) {
        char c = text.ptr[*at + i];

        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += count;
    *out = value;
    return true;
}

static bool take_char(struct str text, size_t *at, char want)
{
    if (*at >= text.len || (text.ptr[*at] | 32) != (want | 32))
        return false;
    ++*at;
    return true;
}

/* ".123" as nanoseconds; no fraction is 0. At most nine digits. */
static bool take_fraction(struct str text, size_t *at, int32_t *nanos)
{
    int32_t scale = NANOS;

    *nanos = 0;
    if (*at >= text.len || text.ptr[*at] != '.')
        return true;
    for (++*at; *at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9'; ++*at) {
        scale /= 10;
        if (scale == 0)
            return false;
        *nanos += (text.ptr[*at] - '0') * scale;
    }
    return scale < NANOS;
}

static bool take_offset(struct str text, size_t *at, int64_t *seconds)
{
    int hours;
    int minutes;
    int sign;

    *seconds = 0;
    if (take_char(text, at, 'Z'))
        return true;
    if (*at >= text.len || (text.ptr[*at] != '+' && text.ptr[*at] != '-'))
        return false;
    sign = text.ptr[(*at)++] == '-' ? -1 : 1;
    if (!take_digits(text, at, 2, &hours) || !take_char(text, at, ':') ||
        !take_digits(text, at, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool pb_timestamp_parse(struct str text, int64_t *seconds, int32_t *nanos)
{
    size_t at = 0;
    int year;
    int month;
    int day;
    int hour;
    int minute;
    int second;
    int64_t offset;
    int64_t total;

    if (!take_digits(text, &at, 4, &year) || !take_char(text, &at, '-') ||
        !take_digits(text, &at, 2, &month) || !take_char(text, &at, '-') ||
        !take_digits(text, &at, 2, &day) || !take_char(text, &at, 'T') ||
        !take_digits(text, &at, 2, &hour) || !take_char(text, &at, ':') ||
        !take_digits(text, &at, 2, &minute) || !take_char(text, &at, ':') ||
        !take_digits(text, &at, 2, &second) || !take_fraction(text, &at, nanos) ||
        !take_offset(text, &at, &offset) || at != text.len)
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || hour > 23 ||
        minute > 59 || second > 59)
        return false;
    total = days_from_civil(year, (unsigned)month, (unsigned)day) * 86400 + hour * 3600 +
            minute * 60 + second - offset;
    if (total < TIMESTAMP_MIN || total > TIMESTAMP_MAX)
        return false;
    *seconds = total;
    return true;
}

bool pb_duration_format(int64_t seconds, int32_t nanos, struct buf *out)
{
    bool negative = seconds < 0 || nanos < 0;

    if (seconds < -DURATION_MAX || seconds > DURATION_MAX || nanos <= -NANOS || nanos >= NANOS ||
        (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0))
        return false;
    buf_printf(out, "%s%lld", negative ? "-" : "", (long long)(seconds < 0 ? -seconds : seconds));
    put_fraction(nanos < 0 ? -nanos : nanos, out);
    buf_append_char(out, 's');
    return true;
}

bool pb_duration_parse(struct str text, int64_t *seconds, int32_t *nanos)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t at = negative ? 1 : 0;
    size_t from = at;
    int64_t whole = 0;

    while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9') {
        whole = whole * 10 + (text.ptr[at++] - '0');
        if (whole > DURATION_MAX)
            return false;
    }
    if (at == from || !take_fraction(text, &at, nanos) || !take_char(text, &at, 's') ||
        at != text.len)
        return false;
    *seconds = negative ? -whole : whole;
    *nanos = negative ? -*nanos : *nanos;
    return true;
}

/* Set-Cookie fields and their dates. */
#include "proto/cookie.h"

#include "base/err.h"
#include "proto/header.h"

/* --- dates (RFC 6265 5.1.1) --------------------------------------------------------------- */

enum { HAS_TIME = 1, HAS_DAY = 2, HAS_MONTH = 4, HAS_YEAR = 8, HAS_ALL = 15 };

struct date {
    unsigned found; /* HAS_ */
    unsigned second;
    unsigned minute;
    unsigned hour;
    unsigned day;
    unsigned month; /* 1 to 12 */
    unsigned year;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_delimiter(char c)
{
    unsigned char u = (unsigned char)c;

    return u == '\t' || (u >= 0x20 && u <= 0x2f) || (u >= 0x3b && u <= 0x40) ||
           (u >= 0x5b && u <= 0x60) || (u >= 0x7b && u <= 0x7e);
}

/* Cuts `min` to `max` digits from the front, not followed by another one. */
static bool cut_number(struct str *s, size_t min, size_t max, unsigned *out)
{
    size_t len = 0;
    unsigned value = 0;

    while (len < s->len && len <= max && is_digit(s->ptr[len])) {
        value = value * 10 + (unsigned)(s->ptr[len] - '0');
        len++;
    }
    if (len < min || len > max)
        return false;
    *s = str_from_index(*s, len);
    *out = value;
    return true;
}

static bool cut_colon(struct str *s)
{
    if (!str_starts_with(*s, STR(":")))
        return false;
    *s = str_from_index(*s, 1);
    return true;
}

static bool read_time(struct str token, struct date *d)
{
    struct date t = *d;

    if (!cut_number(&token, 1, 2, &t.hour) || !cut_colon(&token) ||
        !cut_number(&token, 1, 2, &t.minute) || !cut_colon(&token) ||
        !cut_number(&token, 1, 2, &t.second))
        return false;
    t.found |= HAS_TIME;
    *d = t;
    return true;
}

static bool read_month(struct str token, struct date *d)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (unsigned i = 0; i < 12 && token.len >= 3; i++) {
        if (str_eq_nocase(str_slice(token, 0, 3), str_from(names + i * 3, 3))) {
            d->month = i + 1;
            d->found |= HAS_MONTH;
            return true;
        }
    }
    return false;
}

static void read_date_token(struct str token, struct date *d)
{
    if (!(d->found & HAS_TIME) && read_time(token, d))
        return;
    if (!(d->found & HAS_DAY)) {
        struct str rest = token;

        if (cut_number(&rest, 1, 2, &d->day)) {
            d->found |= HAS_DAY;
            return;
        }
    }
    if (!(d->found & HAS_MONTH) && read_month(token, d))
        return;
    if (!(d->found & HAS_YEAR) && cut_number(&token, 2, 4, &d->year))
        d->found |= HAS_YEAR;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

int cookie_date_parse(struct str text, int64_t *out)
{
    struct date d = {0};
    size_t i = 0;

    while (i < text.len) {
        size_t start;

        while (i < text.len && is_delimiter(text.ptr[i]))
            i++;
        start = i;
        while (i < text.len && !is_delimiter(text.ptr[i]))
            i++;
        if (i > start)
            read_date_token(str_slice(text, start, i), &d);
    }
    if (d.year >= 70 && d.year <= 99)
        d.year += 1900;
    else if (d.year <= 69)
        d.year += 2000;
    if (d.found != HAS_ALL || d.day < 1 || d.day > 31 || d.year < 1601 || d.hour > 23 ||
        d.minute > 59 || d.second > 59)
        return ERR_SYNTAX;
    *out =
        days_from_civil(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
    return 0;
}

/* --- Set-Cookie --------------------------------------------------------------------------- */

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
            return true;
    }
    return false;
}

static struct str without_quotes(struct str s)
{
    if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
        return str_slice(s, 1, s.len - 1);
    return s;
}

static void read_max_age(struct str value, struct cookie *c)
{
    int64_t seconds;

    /* Go: "007" is no number. */
    if (!str_to_i64(value, &seconds) || (seconds != 0 && value.ptr[0] == '0'))
        return;
    c->has_max_age = true;
    c->max_age = seconds > 0 ? seconds : -1;
}

static void read_same_site(struct str value, struct cookie *c)
{
    if (str_eq_nocase(value, STR("lax")))
        c->same_site = COOKIE_SITE_LAX;
    else if (str_eq_nocase(value, STR("strict")))
        c->same_site = COOKIE_SITE_STRICT;
    else if (str_eq_nocase(value, STR("none")))
        c->same_site = COOKIE_SITE_NONE;
}

static void read_attribute(struct str text, struct cookie *c)
{
    struct str value = text;
    struct str name = str_trim(str_cut(&value, '='));

    value = str_trim(value);
    if (has_control(value))
        return;
    if (str_eq_nocase(name, STR("expires"))) {
        if (cookie_date_parse(value, &c->expires) == 0)
            c->has_expires = true;
    } else if (str_eq_nocase(name, STR("max-age"))) {
        read_max_age(value, c);
    } else if (str_eq_nocase(name, STR("domain"))) {
        c->domain = value;
    } else if (str_eq_nocase(name, STR("path"))) {
        c->path = value;
    } else if (str_eq_nocase(name, STR("secure"))) {
        c->secure = true;
    } else if (str_eq_nocase(name, STR("httponly"))) {
        c->http_only = true;
    } else if (str_eq_nocase(name, STR("samesite"))) {
        read_same_site(value, c);
    }
}

int cookie_parse(struct str text, struct cookie *out)
{
    struct cookie c = {0};
    struct str pair = str_cut(&text, ';');

    if (str_find(pair, '=') < 0)
        return ERR_SYNTAX;
    c.name = str_trim(str_cut(&pair, '='));
    c.value = without_quotes(str_trim(pair));
    if (!header_is_token(c.name) || has_control(c.value))
        return ERR_SYNTAX;
    while (text.len > 0)
        read_attribute(str_trim(str_cut(&text, ';')), &c);
    *out = c;
    return 0;
}

#include "output/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool time_unit_parse(struct str text, enum time_unit *out)
{
    static const char *const names[] = {"", "s", "ms", "us"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_c(text, names[i])) {
            *out = (enum time_unit)i;
            return true;
        }
    }
    return false;
}

/* Cuts off after `decimals`; a hair is added first, because 28.4 is 28.399999... in binary. */
static double cut(double value, int decimals)
{
    double scale = pow(10, decimals);

    return trunc(value * scale + (value < 0 ? -1e-9 : 1e-9)) / scale;
}

static void put_trimmed(struct buf *out, double value, int decimals)
{
    char text[400];
    int len = snprintf(text, sizeof text, "%.*f", decimals, value);

    if (strchr(text, '.')) {
        while (text[len - 1] == '0')
            len--;
        if (text[len - 1] == '.')
            len--;
    }
    if (len == 2 && text[0] == '-' && text[1] == '0')
        buf_append_char(out, '0');
    else
        buf_append(out, text, (size_t)len);
}

void format_percent(struct buf *out, double share)
{
    buf_printf(out, "%.2f%%", cut(share * 100, 2));
}

void format_bytes(struct buf *out, double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    size_t unit = 0;
    double value = bytes;

    while (fabs(value) >= 1000 && unit + 1 < COUNT_OF(units)) {
        value /= 1000;
        unit++;
    }
    if (unit == 0 || fabs(value) >= 10)
        buf_printf(out, "%.0f %s", floor(value + 0.5), units[unit]);
    else
        buf_printf(out, "%.1f %s", floor(value * 10 + 0.5) / 10, units[unit]);
}

static void put_auto_time(struct buf *out, double ms)
{
    double size = fabs(ms);
    double rest = ms / 1000;

    if (size < 1e-9) {
        buf_append_c(out, "0s");
    } else if (size < 1e-3) {
        put_trimmed(out, trunc(ms * 1e6 + 1e-6), 0);
        buf_append_c(out, "ns");
    } else if (size < 1) {
        put_trimmed(out, cut(ms * 1e3, 2), 2);
        buf_append_c(out, "µs");
    } else if (size < 1000) {
        put_trimmed(out, cut(ms, 2), 2);
        buf_append_c(out, "ms");
    } else if (size < 60000) {
        put_trimmed(out, cut(rest, 2), 2);
        buf_append_c(out, "s");
    } else {
        if (size >= 3600000) {
            put_trimmed(out, trunc(rest / 3600), 0);
            buf_append_char(out, 'h');
            rest = fmod(rest, 3600);
        }
        put_trimmed(out, trunc(rest / 60), 0);
        buf_append_char(out, 'm');
        put_trimmed(out, trunc(fmod(rest, 60)), 0);
        buf_append_char(out, 's');
    }
}

void format_time(struct buf *out, double ms, enum time_unit unit)
{
    static const struct {
        double factor;
        const char *name;
    } units[] = {[TIME_S] = {1e-3, "s"}, [TIME_MS] = {1, "ms"}, [TIME_US] = {1e3, "µs"}};

    if (unit == TIME_AUTO) {
        put_auto_time(out, ms);
        return;
    }
    put_trimmed(out, cut(ms * units[unit].factor, 2), 2);
    buf_append_c(out, units[unit].name);
}

void format_number(struct buf *out, double value)
{
    put_trimmed(out, value, 6);
}

void format_value(struct buf *out, enum metric_contains contains, double value, enum time_unit unit)
{
    if (contains == METRIC_TIME)
        format_time(out, value, unit);
    else if (contains == METRIC_DATA)
        format_bytes(out, value);
    else
        format_number(out, value);
}

size_t format_width(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void format_padded(struct buf *out, const char *text, size_t width)
{
    buf_append_c(out, text);
    for (size_t have = format_width(text); have < width; have++)
        buf_append_char(out, ' ');
}

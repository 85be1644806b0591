/* Emulated distances as text. */
#include <stdbool.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "net/bandwidth.h"
#include "net/emulate.h"

static const int64_t rtt_max = 60 * NSEC_PER_SEC;
static const double loss_max = 0.5;

static int read_span(struct str name, struct str value, int64_t *out, struct diag *d)
{
    int64_t nsec;

    if (duration_parse(value, &nsec) || nsec < 0 || nsec > rtt_max)
        return diag_set(d, ERR_INVALID, "%.*s '%.*s': a duration from 0 to 60s, as in 230ms",
                        STR_ARG(name), STR_ARG(value));
    *out = nsec;
    return 0;
}

static int read_loss(struct str value, double *out, struct diag *d)
{
    struct str number = value;
    double percent;

    if (str_ends_with(value, STR("%")))
        number.len--;
    if (number.len == value.len || !str_to_double(number, &percent) ||
        !(percent >= 0 && percent <= 100 * loss_max))
        return diag_set(d, ERR_INVALID, "loss '%.*s': a share from 0%% to 50%%, as in 0.1%%",
                        STR_ARG(value));
    *out = percent / 100;
    return 0;
}

static int read_rate(struct str value, uint64_t *out, struct diag *d)
{
    if (rate_parse(value, out))
        return diag_set(d, ERR_INVALID,
                        "rate '%.*s': bits per second from 1kbit to 1000gbit, as in 50mbit",
                        STR_ARG(value));
    return 0;
}

static int read_part(struct distance_spec *spec, unsigned *seen, struct str part, struct diag *d)
{
    static const char *const names[] = {"rtt", "jitter", "rate", "loss"};
    struct str value = part;
    struct str name = str_cut(&value, '=');
    size_t which = 0;

    while (which < COUNT_OF(names) && !str_eq_c(name, names[which]))
        which++;
    if (which == COUNT_OF(names) || !value.ptr)
        return diag_set(d, ERR_INVALID,
                        "'%.*s': use rtt=, jitter=, rate= and loss=", STR_ARG(part));
    if (*seen & (1U << which))
        return diag_set(d, ERR_INVALID, "%s is given twice", names[which]);
    *seen |= 1U << which;
    switch (which) {
    case 0:
        return read_span(name, value, &spec->rtt, d);
    case 1:
        return read_span(name, value, &spec->jitter, d);
    case 2:
        return read_rate(value, &spec->rate, d);
    default:
        return read_loss(value, &spec->loss, d);
    }
}

int distance_parse(struct str text, struct distance_spec *out, struct diag *d)
{
    struct distance_spec spec = {0, 0, 0, 0};
    unsigned seen = 0;

    do {
        int err = read_part(&spec, &seen, str_trim(str_cut(&text, ',')), d);

        if (err)
            return err;
    } while (text.ptr);
    if (spec.jitter > spec.rtt)
        return diag_set(d, ERR_INVALID,
                        "jitter is larger than rtt: no round trip takes less than "
                        "nothing");
    *out = spec;
    return 0;
}

char *distance_format(const struct distance_spec *spec, char *out)
{
    char rtt[32];
    char jitter[32];
    char rate[RATE_TEXT_MAX];
    int len =
        snprintf(out, DISTANCE_TEXT_MAX, "rtt=%s", duration_format(spec->rtt, rtt, sizeof rtt));

    if (spec->jitter)
        len += snprintf(out + len, (size_t)(DISTANCE_TEXT_MAX - len), ",jitter=%s",
                        duration_format(spec->jitter, jitter, sizeof jitter));
    if (spec->rate)
        len += snprintf(out + len, (size_t)(DISTANCE_TEXT_MAX - len), ",rate=%s",
                        rate_format(spec->rate, rate));
    if (spec->loss > 0)
        snprintf(out + len, (size_t)(DISTANCE_TEXT_MAX - len), ",loss=%.6g%%", 100 * spec->loss);
    return out;
}

#include "fleet/window_wire.h"

#include <fleet.pb-c.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/series_book.h"
#include "fleet/unpack.h"
#include "metrics/hist.h"
#include "metrics/sink.h"
#include "metrics/window.h"

/* More values than that in a second are none: sums of them can't overflow. */
#define VALUES_MAX (UINT64_C(1) << 53)

enum { HEAD_BYTES = 6 }; /* of a field: its tag and length, at most */

/* What the histograms of one window may take: an octave is a few bytes on the wire and 8 KiB in
 * memory. Some 3,000 trends of ten octaves each. */
#define HISTOGRAMS_MAX_BYTES (256u * 1024 * 1024)

/* --- writing ------------------------------------------------------------------------------ */

struct merged {
    const struct book_series *series;
    const struct sink *sink; /* the windows', or `own` once there are several */
    struct sink own;
    bool is_own;
};

struct writer {
    struct series_book *book; /* of this call alone: it tells which series are the same */
    struct merged *merged;    /* by book_series.index */
    size_t count;
    size_t cap;

    struct arena arena; /* the series of the message in the making */
    Gale__Fleet__Window message;
    size_t size;      /* of its bytes, about */
    uint32_t *places; /* where a text of the book is in the message, plus 1; 0: nowhere */
    uint32_t *placed; /* the texts that are somewhere */
    struct buf bytes;
    void (*fn)(void *arg, struct str bytes);
    void *arg;
};

static void merge_series(struct writer *w, const struct window_series *from)
{
    struct book_series *series;
    struct merged *m;

    /* A metric that another worker has with another type: the first counts. */
    if (from->sink.is_empty || series_book_add(w->book, from->series, &series, NULL) != 0)
        return;
    if (series->index == w->count) {
        if (w->count == w->cap) {
            w->cap = w->cap ? w->cap * 2 : 64;
            w->merged = mem_reallocarray(w->merged, w->cap, sizeof *w->merged);
        }
        w->merged[w->count++] = (struct merged){.series = series, .sink = &from->sink};
        return;
    }
    ensure(w->merged && series->index < w->count);
    m = &w->merged[series->index];
    if (!m->is_own) {
        m->is_own = true;
        sink_init(&m->own, m->sink->type);
        sink_merge(&m->own, m->sink);
    }
    sink_merge(&m->own, &from->sink);
}

/* Where a text is in the message; it comes in when it isn't there. */
static uint32_t place(struct writer *w, uint32_t id)
{
    Gale__Fleet__Window *m = &w->message;
    struct str text = series_book_text_at(w->book, id);

    if (w->places[id] == 0) {
        w->placed[m->n_strings] = id;
        m->strings[m->n_strings++] =
            (ProtobufCBinaryData){text.len, (uint8_t *)(uintptr_t)text.ptr};
        w->places[id] = (uint32_t)m->n_strings;
        w->size += text.len + HEAD_BYTES;
    }
    return w->places[id] - 1;
}

/* Takes the message's last texts out, so that `keep` stay. */
static void displace(struct writer *w, size_t keep)
{
    while (w->message.n_strings > keep)
        w->places[w->placed[--w->message.n_strings]] = 0;
}

static void fill_sink(struct writer *w, const struct sink *sink, Gale__Fleet__Series *out)
{
    struct str bytes;

    switch (sink->type) {
    case METRIC_COUNTER:
        out->sink_case = GALE__FLEET__SERIES__SINK_SUM;
        out->sum = sink->sum;
        break;
    case METRIC_GAUGE:
        out->sink_case = GALE__FLEET__SERIES__SINK_GAUGE;
        out->gauge = arena_alloc(&w->arena, sizeof *out->gauge);
        gale__fleet__gauge__init(out->gauge);
        out->gauge->value = sink->gauge.value;
        out->gauge->min = sink->gauge.min;
        out->gauge->max = sink->gauge.max;
        out->gauge->wall_nsec = sink->gauge.wall_nsec;
        break;
    case METRIC_RATE:
        out->sink_case = GALE__FLEET__SERIES__SINK_RATE;
        out->rate = arena_alloc(&w->arena, sizeof *out->rate);
        gale__fleet__rate__init(out->rate);
        out->rate->trues = sink->rate.trues;
        out->rate->total = sink->rate.total;
        break;
    case METRIC_TREND:
        buf_reset(&w->bytes);
        hist_encode(sink->hist, &w->bytes);
        bytes = arena_str(&w->arena, buf_str(&w->bytes));
        out->sink_case = GALE__FLEET__SERIES__SINK_HIST;
        out->hist = (ProtobufCBinaryData){bytes.len, (uint8_t *)(uintptr_t)bytes.ptr};
        break;
    }
}

static Gale__Fleet__Series *make_series(struct writer *w, const struct merged *m)
{
    Gale__Fleet__Series *out = arena_alloc(&w->arena, sizeof *out);
    const struct series *series = &m->series->series;

    gale__fleet__series__init(out);
    out->metric = place(w, m->series->name);
    out->type = series->metric->type;
    out->contains = series->metric->contains;
    out->n_tags = (size_t)series->tags->count * 2;
    out->tags = arena_alloc(&w->arena, out->n_tags * sizeof *out->tags);
    for (size_t i = 0; i < out->n_tags; i++)
        out->tags[i] = place(w, m->series->tags[i]);
    fill_sink(w, m->is_own ? &m->own : m->sink, out);
    w->size += gale__fleet__series__get_packed_size(out) + HEAD_BYTES;
    return out;
}

static void flush(struct writer *w)
{
    char *room;

    if (w->message.n_series == 0)
        return;
    buf_reset(&w->bytes);
    room = buf_room(&w->bytes, gale__fleet__window__get_packed_size(&w->message));
    ensure(room);
    buf_added(&w->bytes, gale__fleet__window__pack(&w->message, (uint8_t *)room));
    w->fn(w->arg, buf_str(&w->bytes));
    displace(w, 0);
    w->message.n_series = 0;
    w->size = 0;
    arena_reset(&w->arena);
}

static void write_series(struct writer *w, const struct merged *m, size_t max_bytes)
{
    size_t texts = w->message.n_strings;
    Gale__Fleet__Series *series = make_series(w, m);

    if (w->size > max_bytes && w->message.n_series > 0) {
        displace(w, texts);
        flush(w);
        series = make_series(w, m);
    }
    w->message.series[w->message.n_series++] = series;
}

void window_encode(const struct window *const *windows, size_t count, size_t max_bytes,
                   void (*fn)(void *arg, struct str bytes), void *arg)
{
    struct writer w = {
        .book = series_book_new(UINT32_MAX / 2), .bytes = BUF_INIT(SIZE_MAX), .fn = fn, .arg = arg};
    size_t texts;

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < windows[i]->count; j++)
            merge_series(&w, &windows[i]->series[j]);
    }
    texts = series_book_texts(w.book);
    arena_init(&w.arena);
    gale__fleet__window__init(&w.message);
    w.message.strings = mem_calloc(texts, sizeof *w.message.strings);
    w.message.series = mem_calloc(w.count, sizeof *w.message.series);
    w.places = mem_calloc(texts, sizeof *w.places);
    w.placed = mem_calloc(texts, sizeof *w.placed);
    for (size_t i = 0; i < w.count; i++)
        write_series(&w, &w.merged[i], max_bytes);
    flush(&w);
    for (size_t i = 0; i < w.count; i++) {
        if (w.merged[i].is_own)
            sink_deinit(&w.merged[i].own);
    }
    mem_free(w.merged);
    mem_free(w.message.strings);
    mem_free((void *)w.message.series);
    mem_free(w.places);
    mem_free(w.placed);
    buf_deinit(&w.bytes);
    arena_deinit(&w.arena);
    series_book_free(w.book);
}

/* --- reading ------------------------------------------------------------------------------ */

struct reader {
    struct series_book *book;
    struct arena arena;
    const Gale__Fleet__Window *message;
    struct book_text **texts; /* by place; NULL: the book hasn't seen it */
    struct window *window;
    size_t hist_bytes;
    struct diag *diag;
};

static int malformed(struct reader *r, const char *what)
{
    return diag_set(r->diag, ERR_SYNTAX, "a malformed window: series %zu of %zu: %s",
                    r->window->count + 1, r->message->n_series, what);
}

static struct str text_at(const struct reader *r, uint32_t place)
{
    return str_from((const char *)r->message->strings[place].data, r->message->strings[place].len);
}

/* Numbers that point somewhere, and what is not known yet of the rest. */
static int check_series(struct reader *r, const Gale__Fleet__Series *s)
{
    static const Gale__Fleet__Series__SinkCase sinks[] = {
        [METRIC_COUNTER] = GALE__FLEET__SERIES__SINK_SUM,
        [METRIC_GAUGE] = GALE__FLEET__SERIES__SINK_GAUGE,
        [METRIC_RATE] = GALE__FLEET__SERIES__SINK_RATE,
        [METRIC_TREND] = GALE__FLEET__SERIES__SINK_HIST,
    };

    if (s->type > METRIC_TREND || s->contains > METRIC_DATA)
        return malformed(r, "a type or content that doesn't exist");
    if (s->sink_case != sinks[s->type])
        return malformed(r, "its value is not what its type has");
    if (s->n_tags % 2 || s->n_tags > (size_t)2 * SERIES_MOST_TAGS)
        return malformed(r, "half a tag, or too many");
    if (s->metric >= r->message->n_strings)
        return malformed(r, "no string has its metric's number");
    for (size_t i = 0; i < s->n_tags; i++) {
        if (s->tags[i] >= r->message->n_strings)
            return malformed(r, "no string has its tag's number");
    }
    return 0;
}

static struct book_series *find_series(const struct reader *r, const Gale__Fleet__Series *s)
{
    const struct book_text *name = r->texts[s->metric];
    uint32_t ids[2 * SERIES_MOST_TAGS];

    if (!name || !name->metric || name->metric->type != s->type)
        return NULL;
    for (size_t i = 0; i < s->n_tags; i++) {
        if (!r->texts[s->tags[i]])
            return NULL;
        ids[i] = r->texts[s->tags[i]]->id;
    }
    return series_book_find(r->book, name->metric, ids, (uint32_t)s->n_tags / 2);
}

static void look_up_texts(struct reader *r)
{
    for (size_t i = 0; i < r->message->n_strings; i++)
        r->texts[i] = series_book_text(r->book, text_at(r, (uint32_t)i));
}

static int add_series(struct reader *r, const Gale__Fleet__Series *s, struct book_series **out)
{
    uint32_t count = (uint32_t)s->n_tags / 2;
    struct tags *tags = arena_alloc(&r->arena, sizeof *tags + count * sizeof(struct tag));
    struct metric metric = {0, text_at(r, s->metric), (enum metric_type)s->type,
                            (enum metric_contains)s->contains};
    struct series like = {&metric, tags};
    int err;

    tags->count = count;
    for (uint32_t i = 0; i < count; i++)
        tags->list[i] = (struct tag){text_at(r, s->tags[(size_t)2 * i]),
                                     text_at(r, s->tags[(size_t)2 * i + 1])};
    err = series_book_add(r->book, &like, out, r->diag);
    for (size_t i = 0; i < s->n_tags; i++)
        r->texts[s->tags[i]] = series_book_text(r->book, text_at(r, s->tags[i]));
    r->texts[s->metric] = series_book_text(r->book, metric.name);
    return err;
}

static int read_hist(struct reader *r, ProtobufCBinaryData bytes, struct sink *sink)
{
    int err;

    sink->hist = hist_new();
    err = hist_decode(sink->hist, str_from((const char *)bytes.data, bytes.len));
    r->hist_bytes += hist_memory(sink->hist);
    if (err || hist_count(sink->hist) > VALUES_MAX)
        return malformed(r, "its histogram is none");
    if (r->hist_bytes > HISTOGRAMS_MAX_BYTES)
        return diag_set(r->diag, ERR_LIMIT, "a window whose histograms take more than %u MiB",
                        HISTOGRAMS_MAX_BYTES >> 20);
    return 0;
}

static int read_sink(struct reader *r, const Gale__Fleet__Series *s, struct sink *sink)
{
    sink->is_empty = false;
    switch (sink->type) {
    case METRIC_COUNTER:
        sink->sum = s->sum;
        break;
    case METRIC_GAUGE:
        sink->gauge.value = s->gauge->value;
        sink->gauge.min = s->gauge->min;
        sink->gauge.max = s->gauge->max;
        sink->gauge.wall_nsec = s->gauge->wall_nsec;
        break;
    case METRIC_RATE:
        if (s->rate->trues > s->rate->total)
            return malformed(r, "a rate above 1");
        if (s->rate->total > VALUES_MAX)
            return malformed(r, "a rate of too many values");
        sink->rate.trues = s->rate->trues;
        sink->rate.total = s->rate->total;
        break;
    case METRIC_TREND:
        return read_hist(r, s->hist, sink);
    }
    return 0;
}

static int read_series(struct reader *r, const Gale__Fleet__Series *s)
{
    struct book_series *series;
    struct window_series *to;
    int err = check_series(r, s);

    if (err)
        return err;
    series = find_series(r, s);
    if (!series)
        err = add_series(r, s, &series);
    if (err)
        return err;
    to = &r->window->series[r->window->count];
    to->series = &series->series;
    sink_init(&to->sink, series->series.metric->type);
    err = read_sink(r, s, &to->sink);
    r->window->count++; /* whatever came of it: window_free frees the sink */
    return err;
}

static int read_window(struct reader *r)
{
    int err = 0;

    r->texts = arena_alloc(&r->arena, r->message->n_strings * sizeof *r->texts);
    look_up_texts(r);
    r->window = mem_zalloc(sizeof *r->window);
    r->window->series = mem_calloc(r->message->n_series, sizeof *r->window->series);
    for (size_t i = 0; i < r->message->n_series && err == 0; i++)
        err = read_series(r, r->message->series[i]);
    return err;
}

int window_decode(struct series_book *book, struct str bytes, struct window **out, struct diag *d)
{
    struct reader r = {.book = book, .diag = d};
    ProtobufCAllocator memory = arena_allocator(&r.arena);
    int err;

    if (bytes.len > WINDOW_MAX_BYTES)
        return diag_set(d, ERR_LIMIT, "a window of %zu bytes: %d are the most", bytes.len,
                        WINDOW_MAX_BYTES);
    arena_init(&r.arena);
    r.message = gale__fleet__window__unpack(&memory, bytes.len, (const uint8_t *)bytes.ptr);
    err = r.message ? read_window(&r)
                    : diag_set(d, ERR_SYNTAX, "a malformed window: no such message");
    if (err == 0)
        *out = r.window;
    else
        window_free(r.window);
    arena_deinit(&r.arena);
    return err;
}

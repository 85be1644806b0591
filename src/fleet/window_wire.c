#include "fleet/window_wire.h"

#include <fleet.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/series_book.h"
#include "fleet/unpack.h"
#include "metrics/hist.h"
#include "metrics/request.h"
#include "metrics/sink.h"
#include "metrics/window.h"

/* More values than that in a second are none: sums of them can't overflow. */
#define VALUES_MAX (UINT64_C(1) << 53)

/* Of a message's slowest requests, and as many of those that failed. */
enum { EXEMPLARS_OF_A_KIND = 8 };

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
    struct request_log requests; /* the slowest of all windows; their tags are the book's */

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

/* The tags of a request in a book of series: those of its duration. NULL: no room, or no such tags.
 */
static struct book_series *series_of_request(struct series_book *book, const struct tags *tags)
{
    struct metric metric = {0, STR("http_req_duration"), METRIC_TREND, METRIC_TIME};
    struct book_series *series = NULL;

    return series_book_add(book, &(struct series){&metric, tags}, &series, NULL) == 0 ? series
                                                                                      : NULL;
}

static void merge_requests(struct writer *w, const struct request_log *from)
{
    for (size_t i = 0; i < from->exemplar_count; i++) {
        struct request_record r = from->exemplars[i];
        const struct book_series *series = series_of_request(w->book, r.tags);

        if (!series)
            continue;
        r.tags = series->series.tags;
        request_log_exemplar(&w->requests, &r);
    }
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

static ProtobufCBinaryData text_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static Gale__Fleet__Exemplar *make_exemplar(struct writer *w, const struct request_record *r)
{
    Gale__Fleet__Exemplar *out = arena_alloc(&w->arena, sizeof *out);
    const struct book_series *series = series_of_request(w->book, r->tags);

    ensure(series); /* it is there already */
    gale__fleet__exemplar__init(out);
    out->n_tags = (size_t)r->tags->count * 2;
    out->tags = arena_alloc(&w->arena, out->n_tags * sizeof *out->tags);
    for (size_t i = 0; i < out->n_tags; i++)
        out->tags[i] = place(w, series->tags[i]);
    out->failed = r->failed;
    out->trace_high = r->trace[0];
    out->trace_low = r->trace[1];
    out->end_wall_nsec = r->end_wall;
    out->blocked_nsec = r->blocked;
    out->dns_nsec = r->dns;
    out->connecting_nsec = r->connecting;
    out->tls_nsec = r->tls;
    out->sending_nsec = r->sending;
    out->waiting_nsec = r->waiting;
    out->receiving_nsec = r->receiving;
    out->status = r->status > 0 ? (uint32_t)r->status : 0;
    out->error_code = r->error_code > 0 ? (uint32_t)r->error_code : 0;
    out->vu = r->vu;
    out->iteration = r->iteration;
    out->method = text_of(r->method);
    out->url = text_of(r->url);
    out->error = text_of(r->error);
    w->size += gale__fleet__exemplar__get_packed_size(out) + HEAD_BYTES;
    return out;
}

static void flush(struct writer *w)
{
    char *room;

    if (w->message.n_series == 0 && w->message.n_exemplars == 0)
        return;
    buf_reset(&w->bytes);
    room = buf_room(&w->bytes, gale__fleet__window__get_packed_size(&w->message));
    ensure(room);
    buf_added(&w->bytes, gale__fleet__window__pack(&w->message, (uint8_t *)room));
    w->fn(w->arg, buf_str(&w->bytes));
    displace(w, 0);
    w->message.n_series = 0;
    w->message.n_exemplars = 0;
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

static void write_exemplar(struct writer *w, const struct request_record *r, size_t max_bytes)
{
    size_t texts = w->message.n_strings;
    Gale__Fleet__Exemplar *exemplar = make_exemplar(w, r);

    if (w->size > max_bytes && w->message.n_series + w->message.n_exemplars > 0) {
        displace(w, texts);
        flush(w);
        exemplar = make_exemplar(w, r);
    }
    w->message.exemplars[w->message.n_exemplars++] = exemplar;
}

static int slowest_first(const void *a, const void *b)
{
    int64_t left = request_duration(a);
    int64_t right = request_duration(b);

    return (left < right) - (left > right);
}

static void write_exemplars(struct writer *w, size_t max_bytes)
{
    struct request_log *log = &w->requests;
    size_t of_a_kind[2] = {0, 0};

    if (log->exemplar_count == 0)
        return;
    w->message.exemplars = mem_calloc(log->exemplar_count, sizeof *w->message.exemplars);
    qsort(log->exemplars, log->exemplar_count, sizeof *log->exemplars, slowest_first);
    for (size_t i = 0; i < log->exemplar_count; i++) {
        if (of_a_kind[log->exemplars[i].failed]++ < EXEMPLARS_OF_A_KIND)
            write_exemplar(w, &log->exemplars[i], max_bytes);
    }
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
    for (size_t i = 0; i < count; i++) /* after the series, which are numbered by their coming */
        merge_requests(&w, &windows[i]->requests);
    texts = series_book_texts(w.book);
    arena_init(&w.arena);
    gale__fleet__window__init(&w.message);
    w.message.strings = mem_calloc(texts, sizeof *w.message.strings);
    w.message.series = mem_calloc(w.count, sizeof *w.message.series);
    w.places = mem_calloc(texts, sizeof *w.places);
    w.placed = mem_calloc(texts, sizeof *w.placed);
    for (size_t i = 0; i < w.count; i++)
        write_series(&w, &w.merged[i], max_bytes);
    write_exemplars(&w, max_bytes);
    flush(&w);
    for (size_t i = 0; i < w.count; i++) {
        if (w.merged[i].is_own)
            sink_deinit(&w.merged[i].own);
    }
    mem_free(w.merged);
    mem_free(w.message.strings);
    mem_free((void *)w.message.series);
    mem_free((void *)w.message.exemplars);
    request_log_deinit(&w.requests);
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

/* --- exemplars ---------------------------------------------------------------------------- */

static int bad_exemplar(struct reader *r, const char *what)
{
    return diag_set(r->diag, ERR_SYNTAX, "a malformed window: exemplar %zu of %zu: %s",
                    r->window->requests.exemplar_count + 1, r->message->n_exemplars, what);
}

static int read_exemplar_tags(struct reader *r, const Gale__Fleet__Exemplar *e,
                              const struct tags **out)
{
    uint32_t count = (uint32_t)(e->n_tags / 2);
    const struct book_series *series;
    struct tags *tags;

    if (e->n_tags % 2 || e->n_tags > (size_t)2 * SERIES_MOST_TAGS)
        return bad_exemplar(r, "half a tag, or too many");
    tags = arena_alloc(&r->arena, sizeof *tags + count * sizeof(struct tag));
    tags->count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = e->tags[(size_t)2 * i];
        uint32_t value = e->tags[(size_t)2 * i + 1];

        if (key >= r->message->n_strings || value >= r->message->n_strings)
            return bad_exemplar(r, "no string has its tag's number");
        tags->list[i] = (struct tag){text_at(r, key), text_at(r, value)};
    }
    series = series_of_request(r->book, tags);
    *out = series ? series->series.tags : NULL; /* the book is full, or these are no tags */
    return 0;
}

/* Cut to its place; nothing that could disturb a terminal. */
static void read_text(ProtobufCBinaryData from, char *to, size_t size)
{
    size_t len = from.len < size - 1 ? from.len : size - 1;

    for (size_t i = 0; i < len; i++)
        to[i] = from.data[i] < ' ' || from.data[i] == 0x7f ? '?' : (char)from.data[i];
    to[len] = '\0';
}

/* Phases that can be added up. */
static bool are_times(const Gale__Fleet__Exemplar *e)
{
    const int64_t most = INT64_MAX / 8;
    const int64_t all[] = {e->blocked_nsec, e->dns_nsec,     e->connecting_nsec, e->tls_nsec,
                           e->sending_nsec, e->waiting_nsec, e->receiving_nsec,  e->end_wall_nsec};

    for (size_t i = 0; i + 1 < COUNT_OF(all); i++) {
        if (all[i] < 0 || all[i] > most)
            return false;
    }
    return all[COUNT_OF(all) - 1] >= 0;
}

static int read_exemplar(struct reader *r, const Gale__Fleet__Exemplar *e)
{
    struct request_record *to;
    const struct tags *tags = NULL;
    int err = read_exemplar_tags(r, e, &tags);

    if (err || !tags)
        return err;
    if (!are_times(e) || e->status > 9999 || e->error_code > 9999)
        return bad_exemplar(r, "a time, status or error code that can't be");
    to = &r->window->requests.exemplars[r->window->requests.exemplar_count++];
    *to = (struct request_record){
        .tags = tags,
        .sending = e->sending_nsec,
        .waiting = e->waiting_nsec,
        .receiving = e->receiving_nsec,
        .failed = e->failed,
        .status = (int)e->status,
        .error_code = (int)e->error_code,
        .trace = {e->trace_high, e->trace_low},
        .end_wall = e->end_wall_nsec,
        .blocked = e->blocked_nsec,
        .dns = e->dns_nsec,
        .connecting = e->connecting_nsec,
        .tls = e->tls_nsec,
        .vu = e->vu,
        .iteration = e->iteration,
    };
    read_text(e->method, to->method, sizeof to->method);
    read_text(e->url, to->url, sizeof to->url);
    read_text(e->error, to->error, sizeof to->error);
    return 0;
}

static int read_exemplars(struct reader *r)
{
    struct request_log *log = &r->window->requests;
    int err = 0;

    if (r->message->n_exemplars == 0)
        return 0;
    if (r->message->n_exemplars > EXEMPLARS_MAX)
        return bad_exemplar(r, "more than a window has");
    log->exemplars = mem_calloc(EXEMPLARS_MAX, sizeof *log->exemplars);
    for (size_t i = 0; i < r->message->n_exemplars && err == 0; i++)
        err = read_exemplar(r, r->message->exemplars[i]);
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
    return err ? err : read_exemplars(r);
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

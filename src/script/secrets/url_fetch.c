/* One secret over HTTP: its turn, its tries, what of the answer is the value. */
#include <math.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "loop/fiber.h"
#include "proto/url.h"
#include "script/http/gjson.h"
#include "script/remote/get.h"
#include "script/secrets/url.h"

enum { REDIRECTS_MAX = 10, WAIT_MAX_SEC = 60 };

/* GCRA: the bucket empties by one request each interval; `next` runs ahead by what is in it. */
int64_t secret_pace_take(struct secret_pace *pace, const struct secret_url *u, unsigned workers,
                         int64_t now)
{
    int64_t interval = 60 * NSEC_PER_SEC / (int64_t)u->per_minute * workers;
    int64_t burst = (int64_t)(u->burst > workers ? u->burst / workers : 1);
    int64_t start = pace->next > now ? pace->next : now;
    int64_t at = start - (burst - 1) * interval;

    pace->next = start + interval;
    return at > now ? at : now;
}

/* --- tries -------------------------------------------------------------------------------- */

static char *url_of_key(const char *url_template, struct str key)
{
    static const struct str mark = STR_INIT("{key}");
    struct buf out = BUF_INIT(URL_MAX);
    struct str rest = str_of(url_template);
    ptrdiff_t at;

    while ((at = str_find_str(rest, mark)) >= 0) {
        buf_append(&out, rest.ptr, (size_t)at);
        url_path_escape(key, &out);
        rest = str_from_index(rest, (size_t)at + mark.len);
    }
    buf_append_str(&out, rest);
    return buf_take(&out);
}

static bool may_help_again(int err, int status)
{
    return err ? err != ERR_CANCELLED && err != ERR_LIMIT && err != ERR_URL
               : status == 429 || status >= 500;
}

static int64_t backoff(const struct secret_url *u, uint64_t attempt)
{
    double seconds = pow((double)u->backoff_nsec / NSEC_PER_SEC, (double)attempt);
    struct rng rng;

    rng_system(&rng, sizeof rng);
    seconds = seconds < WAIT_MAX_SEC ? seconds : WAIT_MAX_SEC;
    return (int64_t)((seconds + rng_unit(&rng)) * NSEC_PER_SEC);
}

static int refused(const struct get *get, struct diag *d)
{
    return diag_set(d, get->status == 404 ? ERR_NOT_FOUND : ERR_HTTP,
                    "%s: the server answered with status %d", get->what, get->status);
}

static int try_all(const struct secret_fetch *f, struct get *get, struct diag *d)
{
    uint64_t attempt = 0;

    for (;;) {
        int64_t now = clock_now();
        int64_t at = secret_pace_take(f->pace, f->url, f->workers, now);
        int err = at > now ? fiber_sleep_until(at) : 0;

        if (err)
            return err;
        diag_deinit(d);
        *d = (struct diag)DIAG_INIT;
        err = get_send(f->dialer, get, d);
        if (err == 0 && get->status >= 200 && get->status < 300)
            return 0;
        if (err == 0) {
            mem_free(get->body);
            get->body = NULL;
            err = refused(get, d);
        }
        if (attempt++ >= f->url->retries || !may_help_again(get->status ? 0 : err, get->status))
            return err;
        if (fiber_sleep_until(clock_now() + backoff(f->url, attempt)))
            return ERR_CANCELLED;
    }
}

/* --- the answer --------------------------------------------------------------------------- */

/* What gjson_get gives is JSON text; a string's text is wanted. */
static int pick(const struct secret_fetch *f, struct get *get, char **value, size_t *len,
                struct diag *d)
{
    struct buf found = BUF_INIT(SECRET_MAX * 2);
    bool ok =
        gjson_get_text(str_from(get->body, get->body_len), str_of(f->url->response_path), &found);

    mem_free(get->body);
    if (!ok) {
        buf_deinit(&found);
        return diag_set(d, ERR_NOT_FOUND,
                        "%s: the answer is no JSON with a value at responsePath '%s'", get->what,
                        f->url->response_path);
    }
    *len = found.len;
    *value = buf_take(&found);
    return 0;
}

int secret_url_fetch(const struct secret_fetch *f, char **value, size_t *len, struct diag *d)
{
    const struct secret_url *u = f->url;
    struct http_header *headers = mem_calloc(u->headers.count + 1, sizeof *headers);
    char *url = url_of_key(u->url_template, f->key);
    char *what = mem_printf("the secret \"%.*s\"", STR_ARG(f->key));
    struct get get = {
        .method = str_of(u->method),
        .url = str_of(url),
        .what = what, /* not the URL: it may hold a token */
        .headers = headers,
        .timeout_nsec = u->timeout_nsec,
        .max_redirects = REDIRECTS_MAX,
        .max_body = SECRET_MAX,
    };
    int err;

    for (struct map_entry *e = map_first(&u->headers); e; e = map_next(&u->headers, e))
        headers[get.header_count++] = (struct http_header){e->key, str_of(e->value)};
    err = try_all(f, &get, d);
    if (err == 0 && u->response_path) {
        err = pick(f, &get, value, len, d);
    } else if (err == 0) {
        *value = get.body;
        *len = get.body_len;
    }
    mem_free(what);
    mem_free(url);
    mem_free(headers);
    return err;
}

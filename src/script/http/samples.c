/* The samples of a hop: one tag set, looked up once, for all its metrics. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metrics/request.h"
#include "metrics/shard.h"
#include "net/tls.h"
#include "script/http/internal.h"

enum { MOST_TAGS = 16 };

struct tag_list {
    struct shard *shard;
    const struct vu *vu;
    tag_id ids[MOST_TAGS];
    size_t count;
};

static void add(struct tag_list *l, enum system_tag tag, struct str key, struct str value)
{
    if (vu_has_system_tag(l->vu, tag) && l->count < MOST_TAGS)
        l->ids[l->count++] = shard_tag(l->shard, key, value);
}

static void add_number(struct tag_list *l, enum system_tag tag, struct str key, int value)
{
    char text[16];

    snprintf(text, sizeof text, "%d", value);
    add(l, tag, key, str_of(text));
}

struct hop {
    struct str url; /* user masked */
    struct str name;
    bool expected;
    bool has_expected;
};

static tagset_id build(const struct http_call *call, const struct http_response *hop,
                       const struct hop *h)
{
    struct tag_list l = {.shard = call->http->vu->shard, .vu = call->http->vu};
    char ip[ADDR_TEXT_MAX];

    if (!call->has_own_name)
        add(&l, SYSTEM_TAG_NAME, STR("name"), h->name);
    add(&l, SYSTEM_TAG_URL, STR("url"), h->name);
    add(&l, SYSTEM_TAG_METHOD, STR("method"), hop->request.method);
    add_number(&l, SYSTEM_TAG_STATUS, STR("status"), hop->status);
    if (hop->proto.len)
        add(&l, SYSTEM_TAG_PROTO, STR("proto"), hop->proto);
    if (hop->error.len)
        add(&l, SYSTEM_TAG_ERROR, STR("error"), hop->error);
    if (hop->error_code)
        add_number(&l, SYSTEM_TAG_ERROR_CODE, STR("error_code"), hop->error_code);
    if (hop->is_tls) {
        add(&l, SYSTEM_TAG_TLS_VERSION, STR("tls_version"),
            str_of(tls_version_text(hop->tls.version)));
        add(&l, SYSTEM_TAG_OCSP_STATUS, STR("ocsp_status"),
            str_of(tls_ocsp_status_text(hop->tls.ocsp.status)));
    }
    if (h->has_expected)
        add(&l, SYSTEM_TAG_EXPECTED_RESPONSE, STR("expected_response"),
            h->expected ? STR("true") : STR("false"));
    if (hop->remote.family != ADDR_NONE)
        add(&l, SYSTEM_TAG_IP, STR("ip"), str_of(addr_format(&hop->remote, ip)));
    return shard_tagset(l.shard, call->tags, l.ids, l.count);
}

static bool text_is(const char *text, size_t len, struct str s)
{
    return len == s.len && memcmp(text, s.ptr, len) == 0;
}

/* A hop without an error looks like another one by few things. */
static tagset_id tags_of(const struct http_call *call, const struct http_response *hop,
                         const struct hop *h)
{
    struct http_vu *http = call->http;
    struct set_cache *c;

    for (size_t i = 0; i < SET_CACHE && !hop->err; i++) {
        c = &http->cache[i];
        if (c->method && c->base == call->tags && c->status == hop->status &&
            c->expected == h->expected && c->has_expected == h->has_expected &&
            c->is_tls == hop->is_tls && text_is(c->name, c->name_len, h->name) &&
            text_is(c->method, c->method_len, hop->request.method) &&
            addr_ip_eq(&c->remote, &hop->remote))
            return c->result;
    }
    if (hop->err)
        return build(call, hop, h);
    c = &http->cache[http->cache_next++ % SET_CACHE];
    mem_free(c->method);
    mem_free(c->name);
    *c = (struct set_cache){
        .base = call->tags,
        .result = build(call, hop, h),
        .status = hop->status,
        .expected = h->expected,
        .has_expected = h->has_expected,
        .is_tls = hop->is_tls,
        .method = str_dup(hop->request.method),
        .method_len = hop->request.method.len,
        .name = str_dup(h->name),
        .name_len = h->name.len,
        .remote = hop->remote,
    };
    return c->result;
}

static bool is_expected(const struct statuses *s, const struct http_response *hop)
{
    if (hop->is_auth_round)
        return true;
    for (size_t i = 0; i < s->count; i++) {
        if (hop->status >= s->ranges[i].min && hop->status <= s->ranges[i].max)
            return true;
    }
    return false;
}

/* The hop as a single request, for traces and exemplars. The first has the ids that went over the
 * wire; those after it (redirects) are its children. */
static void keep_request(struct http_call *call, const struct http_response *hop,
                         const struct hop *h, tagset_id tags, bool failed)
{
    const struct http_timings *t = &hop->timings;
    struct vu *vu = call->http->vu;
    struct trace_context trace = call->trace;
    struct request_record r = {
        .end_wall = clock_wall() - (clock_now() - hop->end_nsec),
        .blocked = t->blocked,
        .dns = t->looking_up,
        .connecting = t->connecting,
        .tls = t->tls_handshaking,
        .sending = t->sending,
        .waiting = t->waiting,
        .receiving = t->receiving,
        .status = hop->status,
        .error_code = hop->error_code,
        .failed = failed,
    };

    if (!vu->worker->tracer) { /* a script may trace by itself */
        (void)trace_read(call->request.headers, call->request.header_count, &trace);
        trace.sampled = false;
    } else if (call->hops > 1) {
        r.parent = trace.span;
        trace.span = tracer_span(vu->worker->tracer);
    }
    request_text(r.method, sizeof r.method, hop->request.method);
    request_text(r.url, sizeof r.url, h->url);
    request_text(r.error, sizeof r.error, hop->error);
    vu_add_request(vu, &trace, tags, &r);
}

void http_sample_hop(struct http_call *call, const struct http_response *hop)
{
    const struct http_timings *t = &hop->timings;
    struct shard *shard = call->http->vu->shard;
    int64_t now = clock_wall();
    struct hop h = {.has_expected = call->statuses != NULL};
    tagset_id tags;
    bool failed;

    h.expected = h.has_expected && is_expected(call->statuses, hop);
    h.url =
        hop->request.url ? url_text(hop->request.url, URL_USER_MASK, &call->arena) : call->url_text;
    h.name = call->name.len ? call->name : h.url;
    tags = tags_of(call, hop, &h);
    vu_meta_begin_traced(call->http->vu, &call->trace);
    shard_add(shard, METRIC_HTTP_REQS, tags, 1, now);
    shard_add(shard, METRIC_HTTP_REQ_DURATION, tags, nsec_to_ms(t->duration), now);
    shard_add(shard, METRIC_HTTP_REQ_BLOCKED, tags, nsec_to_ms(t->blocked), now);
    shard_add(shard, METRIC_HTTP_REQ_CONNECTING, tags, nsec_to_ms(t->connecting), now);
    shard_add(shard, METRIC_HTTP_REQ_TLS_HANDSHAKING, tags, nsec_to_ms(t->tls_handshaking), now);
    shard_add(shard, METRIC_HTTP_REQ_SENDING, tags, nsec_to_ms(t->sending), now);
    shard_add(shard, METRIC_HTTP_REQ_WAITING, tags, nsec_to_ms(t->waiting), now);
    shard_add(shard, METRIC_HTTP_REQ_RECEIVING, tags, nsec_to_ms(t->receiving), now);
    if (h.has_expected)
        shard_add(shard, METRIC_HTTP_REQ_FAILED, tags, h.expected ? 0 : 1, now);
    vu_meta_end(call->http->vu);
    call->hops++;
    failed = h.has_expected ? !h.expected : hop->err || hop->status >= 400;
    if (UNLIKELY(shard_wants_request(shard, tags, failed, call->trace.sampled, t->duration)))
        keep_request(call, hop, &h, tags, failed);
}

/* Answers, with what keeps browsers from making a page of them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/server_internal.h"
#include "base/mem.h"
#include "output/json_text.h"

/* Seconds: whoever is told that it can't be done now may ask again then. */
#define RETRY_AFTER "2"

void api_add_header(struct api_request *r, const char *name, const char *value)
{
    if (r->header_count < MAX_HEADERS)
        r->headers[r->header_count++] = (struct header){mem_strdup(name), mem_strdup(value)};
}

static bool has_header(const struct api_request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (strcmp(r->headers[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Nothing that is answered is a page to be run, framed or read by another site's, unless a handler
 * says so. */
static void add_guards(const struct api_request *r, struct MHD_Response *response)
{
    static const struct {
        const char *name;
        const char *value;
    } guards[] = {
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
    };

    for (size_t i = 0; i < COUNT_OF(guards); i++) {
        if (!has_header(r, guards[i].name))
            MHD_add_response_header(response, guards[i].name, guards[i].value);
    }
}

void server_give(struct api_request *r, unsigned status, struct MHD_Response *response)
{
    add_guards(r, response);
    for (size_t i = 0; i < r->header_count; i++)
        MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER);
    if (r->server->config.answered)
        r->server->config.answered(r->server->config.arg, status);
    r->is_answered = true;
    r->status = status;
    r->response = response;
    server_resume(r); /* on_request queues it */
}

static const char *location_of(const struct api_request *r)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (strcmp(r->headers[i].name, "Location") == 0)
            return r->headers[i].value;
    }
    return NULL;
}

void api_hold(struct api_request *r,
              void (*answered)(void *arg, unsigned status, struct str body, const char *location),
              void *arg)
{
    r->answered = answered;
    r->answered_arg = arg;
}

void api_unhold(struct api_request *r)
{
    r->answered = NULL;
    if (!r->connection)
        server_free_request(r);
}

bool api_has_left(const struct api_request *r)
{
    return !r->connection;
}

void api_release(struct api_request *r)
{
    struct MHD_Response *held = r->held;

    r->held = NULL;
    r->answered = NULL;
    if (r->connection) {
        server_give(r, r->held_status, held);
        return;
    }
    MHD_destroy_response(held);
    server_free_request(r);
}

void api_answer(struct api_request *r, unsigned status, const char *content_type, struct str body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.len, (void *)(uintptr_t)(body.len ? body.ptr : ""), MHD_RESPMEM_MUST_COPY);

    if (content_type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    if (!r->answered) {
        server_give(r, status, response);
        return;
    }
    r->held = response;
    r->held_status = status;
    r->answered(r->answered_arg, status, body, location_of(r));
}

void api_answer_json(struct api_request *r, unsigned status, json_t *json)
{
    char *text = json_text(json, 0);

    api_answer(r, status, "application/json; charset=utf-8", str_of(text));
    json_decref(json);
    mem_free(text);
}

/* The detail may be no UTF-8: json_text says it all the same. */
static void answer_problem(struct api_request *r, json_t *json, const char *detail)
{
    char *text;

    json_object_set_new(json, "detail", json_string_nocheck(detail));
    text = json_text(json, 0);
    api_answer(r, (unsigned)json_integer_value(json_object_get(json, "status")),
               "application/problem+json", str_of(text));
    json_decref(json);
    mem_free(text);
}

static json_t *problem_json(unsigned status, const char *type, const char *title)
{
    return json_pack("{s:s, s:s, s:i}", "type", type, "title", title, "status", (int)status);
}

void api_problem(struct api_request *r, unsigned status, const char *type, const char *title,
                 const char *fmt, ...)
{
    char detail[4096];
    va_list args;

    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    answer_problem(r, problem_json(status, type, title), detail);
}

void api_problem_with(struct api_request *r, unsigned status, const char *type, const char *title,
                      json_t *more, const char *fmt, ...)
{
    json_t *json = problem_json(status, type, title);
    char detail[4096];
    va_list args;

    va_start(args, fmt);
    vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    json_object_update(json, more);
    json_decref(more);
    answer_problem(r, json, detail);
}

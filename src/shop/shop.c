/* gale-shop: the target of demos and tests, a small shop's API on 127.0.0.1.
 *
 *   POST /signup {name}                 201 {id, token}
 *   GET  /products[?page=N]             200 {items: [{id, name, price}], page, total}
 *   GET  /products/ID                   200 {id, name, price, stock}
 *   POST /basket {product, quantity}    201 the basket   (Authorization: Bearer TOKEN)
 *   GET  /basket                        200 {items, total}
 *   POST /checkout                      201 {order, total}
 *   GET  /health                        200 {status}
 *   GET  /counts                        200 requests seen, by route: for tests
 *   GET  /metrics                       200 the shop's own metrics, for Prometheus
 *   POST /slow {region, ms}             200 switches the slow path on, or off (ms 0)
 *
 * Clients say where they are in W3C Baggage (`baggage: region=eu`): the list of products comes from
 * the catalogue's replica there. The slow path is a replica that passes each question on to another
 * region's, which takes so much longer; the metrics show it, and the spans (--traces), which go on
 * from the request's traceparent.
 *
 * Everything is in memory and the same on every run. Answers take as long as --latency says, with a
 * spread like that of a real service: most near it, one in a hundred four times as long. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "loop/loop.h"
#include "shop/http.h"
#include "shop/meters.h"
#include "shop/spans.h"

enum { PRODUCTS = 60, PAGE = 20, MAX_USERS = 1000000, BASKET_MAX = 16 };

enum route {
    ROUTE_SIGNUP,
    ROUTE_PRODUCTS,
    ROUTE_PRODUCT,
    ROUTE_BASKET,
    ROUTE_CHECKOUT,
    ROUTE_HEALTH,
    ROUTE_COUNTS,
    ROUTE_OTHER,
    ROUTE_COUNT,
    ROUTE_METRICS = ROUTE_COUNT, /* these two are not counted */
    ROUTE_SLOW,
};

_Static_assert((int)ROUTE_COUNT == (int)METER_ROUTES, "each route has its meters");

static const char *const route_names[] = {"signup",   "products", "product", "basket",
                                          "checkout", "health",   "counts",  "other"};

struct user {
    unsigned products[BASKET_MAX];
    unsigned quantities[BASKET_MAX];
    unsigned count;
};

struct shop {
    struct user *users;
    size_t user_count;
    uint64_t orders;
    uint64_t counts[ROUTE_COUNT];
    int64_t latency_nsec;
    char slow_region[32]; /* "": none */
    int64_t slow_nsec;
    struct meters meters;
    struct spans *spans; /* NULL: no --traces */
    struct rng rng;
};

/* What `answered` needs of a request. */
struct note {
    enum route route;
    struct str region;
    int64_t catalogue_nsec;
};

static const char *const things[] = {"lamp", "desk", "chair", "shelf", "clock", "mug"};

static unsigned price_of(unsigned id)
{
    return 500 + id * 137 % 9500; /* cents */
}

static void put_product(struct buf *out, unsigned id)
{
    buf_printf(out, "{\"id\":%u,\"name\":\"%s %u\",\"price\":%u.%02u", id,
               things[id % (sizeof things / sizeof things[0])], id, price_of(id) / 100,
               price_of(id) % 100);
}

static void fail(struct shop_response *r, int status, const char *why)
{
    r->status = status;
    buf_printf(&r->body, "{\"error\":\"%s\"}", why);
}

/* --- routes ------------------------------------------------------------------------------- */

static void signup(struct shop *shop, const struct shop_request *q, struct shop_response *r)
{
    json_t *body = json_loadb(q->body.ptr ? q->body.ptr : "", q->body.len, 0, NULL);

    if (!json_is_string(json_object_get(body, "name"))) {
        fail(r, 400, "a name is needed");
    } else if (shop->user_count == MAX_USERS) {
        fail(r, 409, "the shop is full");
    } else {
        if ((shop->user_count & (shop->user_count - 1)) == 0)
            shop->users =
                mem_reallocarray(shop->users, shop->user_count * 2 + 1, sizeof *shop->users);
        shop->users[shop->user_count] = (struct user){.count = 0};
        shop->user_count++;
        r->status = 201;
        buf_printf(&r->body, "{\"id\":%zu,\"token\":\"user-%zu\"}", shop->user_count,
                   shop->user_count);
    }
    json_decref(body);
}

static void products(const struct shop_request *q, struct shop_response *r)
{
    struct str query = q->query;
    struct str key = str_cut(&query, '=');
    uint64_t page = 1;

    if (str_eq_c(key, "page") && (!str_to_u64(query, &page) || page == 0)) {
        fail(r, 400, "page must be a number from 1");
        return;
    }
    buf_append_c(&r->body, "{\"items\":[");
    for (uint64_t i = 0; i < PAGE && (page - 1) * PAGE + i < PRODUCTS; i++) {
        buf_append_c(&r->body, i ? "," : "");
        put_product(&r->body, (unsigned)((page - 1) * PAGE + i + 1));
        buf_append_char(&r->body, '}');
    }
    buf_printf(&r->body, "],\"page\":%llu,\"total\":%d}", (unsigned long long)page, PRODUCTS);
}

static void product(struct str id_text, struct shop_response *r)
{
    uint64_t id;

    if (!str_to_u64(id_text, &id) || id == 0 || id > PRODUCTS) {
        fail(r, 404, "no such product");
        return;
    }
    put_product(&r->body, (unsigned)id);
    buf_printf(&r->body, ",\"stock\":%llu}", (unsigned long long)(id * 7 % 50));
}

static struct user *user_of(struct shop *shop, const struct shop_request *q)
{
    struct str prefix = STR("Bearer user-");
    uint64_t number;

    if (!str_starts_with(q->authorization, prefix) ||
        !str_to_u64(str_from_index(q->authorization, prefix.len), &number) || number == 0 ||
        number > shop->user_count)
        return NULL;
    return &shop->users[number - 1];
}

static uint64_t total_of(const struct user *user)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < user->count; i++)
        total += (uint64_t)price_of(user->products[i]) * user->quantities[i];
    return total;
}

static void put_basket(const struct user *user, struct buf *out)
{
    uint64_t total = total_of(user);

    buf_append_c(out, "{\"items\":[");
    for (unsigned i = 0; i < user->count; i++)
        buf_printf(out, "%s{\"product\":%u,\"quantity\":%u}", i ? "," : "", user->products[i],
                   user->quantities[i]);
    buf_printf(out, "],\"total\":%llu.%02llu}", (unsigned long long)(total / 100),
               (unsigned long long)(total % 100));
}

static void add_to_basket(struct user *user, const struct shop_request *q, struct shop_response *r)
{
    json_t *body = json_loadb(q->body.ptr ? q->body.ptr : "", q->body.len, 0, NULL);
    json_int_t id = json_integer_value(json_object_get(body, "product"));
    const json_t *quantity = json_object_get(body, "quantity");
    json_int_t count = quantity ? json_integer_value(quantity) : 1;

    json_decref(body);
    if (id < 1 || id > PRODUCTS || count < 1 || count > 100) {
        fail(r, 400, "product or quantity is out of range");
    } else if (user->count == BASKET_MAX) {
        fail(r, 409, "the basket is full");
    } else {
        user->products[user->count] = (unsigned)id;
        user->quantities[user->count++] = (unsigned)count;
        r->status = 201;
        put_basket(user, &r->body);
    }
}

static void basket(struct shop *shop, const struct shop_request *q, struct shop_response *r,
                   bool checkout)
{
    struct user *user = user_of(shop, q);

    if (!user) {
        fail(r, 401, "sign up and send the token");
    } else if (checkout) {
        uint64_t total = total_of(user);

        r->status = user->count ? 201 : 400;
        buf_printf(&r->body, "{\"order\":%llu,\"total\":%llu.%02llu}",
                   (unsigned long long)(user->count ? ++shop->orders : 0),
                   (unsigned long long)(total / 100), (unsigned long long)(total % 100));
        user->count = 0;
    } else if (str_eq_c(q->method, "POST")) {
        add_to_basket(user, q, r);
    } else {
        put_basket(user, &r->body);
    }
}

static void counts(const struct shop *shop, struct shop_response *r)
{
    buf_append_char(&r->body, '{');
    for (int i = 0; i < ROUTE_COUNT; i++)
        buf_printf(&r->body, "%s\"%s\":%llu", i ? "," : "", route_names[i],
                   (unsigned long long)shop->counts[i]);
    buf_append_char(&r->body, '}');
}

static enum route route_of(const struct shop_request *q)
{
    static const struct {
        const char *method;
        const char *path;
        enum route route;
    } routes[] = {
        {"POST", "/signup", ROUTE_SIGNUP},
        {"GET", "/products", ROUTE_PRODUCTS},
        {"GET", "/basket", ROUTE_BASKET},
        {"POST", "/basket", ROUTE_BASKET},
        {"POST", "/checkout", ROUTE_CHECKOUT},
        {"GET", "/health", ROUTE_HEALTH},
        {"GET", "/", ROUTE_HEALTH},
        {"GET", "/counts", ROUTE_COUNTS},
        {"GET", "/metrics", ROUTE_METRICS},
        {"POST", "/slow", ROUTE_SLOW},
    };

    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (str_eq_c(q->method, routes[i].method) && str_eq_c(q->path, routes[i].path))
            return routes[i].route;
    }
    if (str_eq_c(q->method, "GET") && str_starts_with(q->path, STR("/products/")))
        return ROUTE_PRODUCT;
    return ROUTE_OTHER;
}

static int64_t latency(struct shop *shop)
{
    double spread = 0.7 + 0.6 * rng_unit(&shop->rng);

    if (rng_below(&shop->rng, 100) == 0)
        spread *= 4;
    return (int64_t)((double)shop->latency_nsec * spread);
}

/* --- the slow path ------------------------------------------------------------------------ */

/* "region=eu, other=x;property": the member's value. */
static struct str region_of(struct str baggage)
{
    while (baggage.len > 0) {
        struct str member = str_cut(&baggage, ',');
        struct str value = str_cut(&member, ';');
        struct str key = str_trim(str_cut(&value, '='));

        if (str_eq_c(key, "region"))
            return str_trim(value);
    }
    return STR("");
}

static int set_slow(struct shop *shop, struct str region, int64_t nsec)
{
    if (region.len == 0 || region.len >= sizeof shop->slow_region || nsec < 0 ||
        nsec > 60 * NSEC_PER_SEC)
        return ERR_INVALID;
    memcpy(shop->slow_region, region.ptr, region.len);
    shop->slow_region[region.len] = '\0';
    shop->slow_nsec = nsec;
    return 0;
}

static void slow(struct shop *shop, const struct shop_request *q, struct shop_response *r)
{
    json_t *body = json_loadb(q->body.ptr ? q->body.ptr : "", q->body.len, 0, NULL);
    const char *region = json_string_value(json_object_get(body, "region"));
    const json_t *number = json_object_get(body, "ms");
    json_int_t ms = json_integer_value(number);

    if (!region || !json_is_integer(number) || ms < 0 || ms > 60000 ||
        set_slow(shop, str_of(region), ms * NSEC_PER_MSEC) != 0)
        fail(r, 400, "region (a text) and ms (0 to 60000) are needed");
    else
        buf_append_c(&r->body, "{}");
    json_decref(body);
}

/* What the list of products waits for. */
static int64_t ask_catalogue(struct shop *shop, struct str region)
{
    bool is_slow = shop->slow_nsec > 0 && str_eq_c(region, shop->slow_region);
    int64_t nsec = is_slow ? shop->slow_nsec : 0;

    meters_catalogue(&shop->meters, region, nsec, is_slow);
    return nsec;
}

/* --- requests ----------------------------------------------------------------------------- */

static void respond(struct shop *shop, enum route route, const struct shop_request *q,
                    struct shop_response *r)
{
    switch (route) {
    case ROUTE_SIGNUP:
        signup(shop, q, r);
        break;
    case ROUTE_PRODUCTS:
        products(q, r);
        break;
    case ROUTE_PRODUCT:
        product(str_from_index(q->path, strlen("/products/")), r);
        break;
    case ROUTE_BASKET:
    case ROUTE_CHECKOUT:
        basket(shop, q, r, route == ROUTE_CHECKOUT);
        break;
    case ROUTE_HEALTH:
        buf_append_c(&r->body, "{\"status\":\"ok\"}");
        break;
    case ROUTE_COUNTS:
        counts(shop, r);
        break;
    case ROUTE_METRICS:
        r->type = "text/plain; version=0.0.4";
        meters_text(&shop->meters, &r->body);
        break;
    case ROUTE_SLOW:
        slow(shop, q, r);
        break;
    default:
        fail(r, 404, "no such path");
    }
}

static void handle(void *arg, const struct shop_request *q, struct shop_response *r)
{
    struct shop *shop = arg;
    enum route route = route_of(q);
    struct note *note;

    if (route < ROUTE_COUNT) {
        shop->counts[route]++;
        note = mem_zalloc(sizeof *note);
        note->route = route;
        note->region = region_of(q->baggage);
        if (route == ROUTE_PRODUCTS)
            note->catalogue_nsec = ask_catalogue(shop, note->region);
        r->delay_nsec = note->catalogue_nsec;
        r->note = note;
    }
    if (shop->latency_nsec > 0 && route < ROUTE_HEALTH)
        r->delay_nsec += latency(shop);
    respond(shop, route, q, r);
}

static void answered(void *arg, const struct shop_request *q, const struct shop_response *r,
                     int64_t began_nsec, int64_t ended_nsec)
{
    struct shop *shop = arg;
    struct note *note = r->note;
    int64_t wall = clock_wall() - (clock_now() - ended_nsec);
    struct shop_span span;

    if (!note)
        return;
    meters_request(&shop->meters, note->route, r->status, ended_nsec - began_nsec);
    span = (struct shop_span){
        .method = q->method,
        .route = str_of(route_names[note->route]),
        .path = q->path,
        .region = note->region,
        .status = r->status,
        .began_wall = wall - (ended_nsec - began_nsec),
        .ended_wall = wall,
        .catalogue = note->catalogue_nsec,
    };
    if (shop->spans)
        trace_parse(q->traceparent, &span.trace);
    if (span.trace.sampled)
        spans_add(shop->spans, &span);
    mem_free(note);
}

/* --- the program -------------------------------------------------------------------------- */

static int usage(FILE *out, int code)
{
    fprintf(out,
            "gale-shop: the bundled target of gale's demo and tests\n\n"
            "Usage:\n  gale-shop [--port N] [--latency DURATION] [--slow REGION=DURATION]\n"
            "            [--traces HOST:PORT]\n\n"
            "      --port N                 listen on 127.0.0.1:N (default: any free port)\n"
            "      --latency DURATION       what an answer takes (default 0s)\n"
            "      --slow REGION=DURATION   the list of products takes so much longer for clients\n"
            "                               of that region (they say 'baggage: region=REGION')\n"
            "      --traces HOST:PORT       send spans there: a collector of OTLP over HTTP\n\n"
            "Prints \"listening on http://127.0.0.1:N\" when it is ready; SIGTERM ends it.\n");
    return code;
}

static bool read_slow(struct shop *shop, struct str value)
{
    struct str region = str_cut(&value, '=');
    int64_t nsec;

    return duration_parse(value, &nsec) == 0 && set_slow(shop, region, nsec) == 0;
}

/* False for what is no flag. */
static bool read_flag(struct shop *shop, const char *flag, const char *value, uint64_t *port,
                      const char **traces)
{
    if (strcmp(flag, "--port") == 0)
        return str_to_u64(str_of(value), port) && *port <= UINT16_MAX;
    if (strcmp(flag, "--latency") == 0)
        return duration_parse(str_of(value), &shop->latency_nsec) == 0;
    if (strcmp(flag, "--slow") == 0)
        return read_slow(shop, str_of(value));
    *traces = value;
    return strcmp(flag, "--traces") == 0 && value[0];
}

int main(int argc, char **argv)
{
    struct shop shop = {.meters = {.routes = route_names}};
    const struct shop_handlers handlers = {handle, answered, &shop};
    struct diag d = DIAG_INIT;
    const char *traces = NULL;
    struct rlimit limit;
    struct loop *loop;
    uint64_t number = 0;
    uint16_t port;

    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return usage(stdout, 0);
        if (!read_flag(&shop, argv[i], i + 1 < argc ? argv[i + 1] : "", &number, &traces))
            return usage(stderr, 2);
    }
    port = (uint16_t)number;
    rng_seed(&shop.rng, 1);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGPIPE, SIG_IGN);
    if (loop_new(&loop) || shop_listen(loop, &port, &handlers)) {
        fprintf(stderr, "gale-shop: can't listen on port %llu\n", (unsigned long long)number);
        return 1;
    }
    if (traces && spans_new(loop, str_of(traces), &shop.spans, &d)) {
        fprintf(stderr, "gale-shop: --traces %s: %s\n", traces, d.message);
        return 2;
    }
    printf("listening on http://127.0.0.1:%u\n", port);
    fflush(stdout);
    loop_run(loop);
    return 0;
}

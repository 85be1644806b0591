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
#include "base/mem.h"
#include "base/rng.h"
#include "loop/loop.h"
#include "shop/http.h"

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
};

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
    struct rng rng;
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

static void handle(void *arg, const struct shop_request *q, struct shop_response *r)
{
    struct shop *shop = arg;
    enum route route = route_of(q);

    shop->counts[route]++;
    if (shop->latency_nsec > 0 && route < ROUTE_HEALTH)
        r->delay_nsec = latency(shop);
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
    default:
        fail(r, 404, "no such path");
    }
}

/* --- the program -------------------------------------------------------------------------- */

static int usage(FILE *out, int code)
{
    fprintf(out, "gale-shop: the bundled target of gale's demo and tests\n\n"
                 "Usage:\n  gale-shop [--port N] [--latency DURATION]\n\n"
                 "      --port N             listen on 127.0.0.1:N (default: any free port)\n"
                 "      --latency DURATION   what an answer takes (default 0s)\n\n"
                 "Prints \"listening on http://127.0.0.1:N\" when it is ready; SIGTERM ends it.\n");
    return code;
}

int main(int argc, char **argv)
{
    struct shop shop = {0};
    struct rlimit limit;
    struct loop *loop;
    uint64_t number = 0;
    uint16_t port;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return usage(stdout, 0);
        if (strcmp(argv[i], "--port") == 0 && str_to_u64(str_of(value), &number) &&
            number <= UINT16_MAX)
            i++;
        else if (strcmp(argv[i], "--latency") == 0 &&
                 duration_parse(str_of(value), &shop.latency_nsec) == 0)
            i++;
        else
            return usage(stderr, 2);
    }
    port = (uint16_t)number;
    rng_seed(&shop.rng, 1);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGPIPE, SIG_IGN);
    if (loop_new(&loop) || shop_listen(loop, &port, handle, &shop)) {
        fprintf(stderr, "gale-shop: can't listen on port %llu\n", (unsigned long long)number);
        return 1;
    }
    printf("listening on http://127.0.0.1:%u\n", port);
    fflush(stdout);
    loop_run(loop);
    return 0;
}

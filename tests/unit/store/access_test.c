#include "store/access.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "fixture.h"

static char seen[1024];

static void see(const char *text)
{
    size_t len = strlen(seen);

    snprintf(seen + len, sizeof seen - len, "%s%s", len ? " " : "", text);
}

static void check_seen(const char *want)
{
    CHECK_TEXT(seen, want);
    seen[0] = '\0';
}

static void see_token(void *arg, const struct store_token *t)
{
    (void)arg;
    see(t->name);
    see(t->role);
}

static struct store_token token(const char *id, const char *name, const char *role,
                                unsigned char hash)
{
    return (struct store_token){
        .id = id, .name = name, .role = role, .hash = {hash}, .created_by = "me", .created = 1};
}

TEST(access_by_tokens)
{
    struct store *s = fixture_open();
    struct store_token admin = token("tok000000001", "root", "admin", 1);
    struct store_token runner = token("tok000000002", "ci", "runner", 2);
    struct store_token share = token("tok000000003", "link", "viewer", 3);
    struct store_page page = {.limit = 1};
    struct diag d = DIAG_INIT;

    share.run = "run000000000";
    CHECK_EQ(store_add_token(s, &admin, NULL), 0);
    CHECK_EQ(store_add_token(s, &runner, NULL), 0);
    CHECK_EQ(store_add_token(s, &share, NULL), 0);
    runner.id = "tok000000004";
    fixture_check_error(&d, store_add_token(s, &runner, &d), -EEXIST, "already");
    CHECK_EQ(store_find_token(s, admin.hash, see_token, NULL, NULL), 0);
    check_seen("root admin");
    fixture_check_error(
        &d, store_find_token(s, (unsigned char[STORE_SHA256_SIZE]){9}, see_token, NULL, &d),
        ERR_NOT_FOUND, "not known");
    CHECK_EQ(store_list_tokens(s, NULL, &page, see_token, NULL, NULL), 1);
    CHECK_EQ(store_list_tokens(s, NULL, &page, see_token, NULL, NULL), 0);
    check_seen("ci runner root admin");
    page = (struct store_page){.limit = 5};
    CHECK_EQ(store_list_tokens(s, "run000000000", &page, see_token, NULL, NULL), 0);
    check_seen("link viewer");
    CHECK_EQ(store_note_token_used(s, "tok000000001", 99, NULL), 0);
    store_close(s);
}

TEST(access_keeps_the_last_admin)
{
    struct store *s = fixture_open();
    struct store_token admin = token("tok000000001", "root", "admin", 1);
    struct store_token brief = token("tok000000002", "brief", "admin", 2);
    struct diag d = DIAG_INIT;

    brief.expires = 100;
    CHECK_EQ(store_add_token(s, &admin, NULL), 0);
    CHECK_EQ(store_add_token(s, &brief, NULL), 0);
    fixture_check_error(&d, store_delete_token(s, "tok000000009", NULL, 50, &d), ERR_NOT_FOUND,
                        "no token");
    /* The other one has expired by then. */
    fixture_check_error(&d, store_delete_token(s, "tok000000001", NULL, 200, &d), -EBUSY,
                        "last admin");
    fixture_check_error(&d, store_delete_token(s, "tok000000001", "run000000000", 50, &d),
                        ERR_NOT_FOUND, "no token");
    CHECK_EQ(store_delete_token(s, "tok000000001", NULL, 50, NULL), 0);
    fixture_check_error(&d, store_delete_token(s, "tok000000002", NULL, 50, &d), -EBUSY,
                        "last admin");
    store_close(s);
}

static void see_answer(void *arg, const struct store_answer *a)
{
    char text[32];

    (void)arg;
    snprintf(text, sizeof text, "%d %lld %s", a->request[0], (long long)a->status, a->body);
    see(text);
}

TEST(access_answers_the_same_again)
{
    struct store *s = fixture_open();
    struct store_answer_key key = {"tok000000001", "key"};
    struct store_answer claim = {.request = {7}, .created = 5};
    struct store_retention r = {.now_wall_nsec = 25 * 3600 * NSEC_PER_SEC};
    size_t deleted;

    CHECK_EQ(store_claim_answer(s, &key, &claim, see_answer, NULL, NULL), 0);
    CHECK_EQ(store_claim_answer(s, &key, &claim, see_answer, NULL, NULL), 1);
    check_seen("7 0 ");
    CHECK_EQ(store_put_answer(s, &key, 201, "{}", NULL), 0);
    claim.request[0] = 8;
    CHECK_EQ(store_claim_answer(s, &key, &claim, see_answer, NULL, NULL), 1);
    check_seen("7 201 {}");
    CHECK_EQ(store_release_answer(s, &key, NULL), 0); /* it is done: nothing to release */
    CHECK_EQ(store_claim_answer(s, &key, &claim, see_answer, NULL, NULL), 1);
    key.key = "other";
    CHECK_EQ(store_claim_answer(s, &key, &claim, see_answer, NULL, NULL), 0);
    CHECK_EQ(store_release_answer(s, &key, NULL), 0);
    CHECK_EQ(store_claim_answer(s, &key, &claim, see_answer, NULL, NULL), 0);
    CHECK_EQ(store_retain(s, &r, &deleted, NULL), 0);
    key.key = "key";
    CHECK_EQ(store_claim_answer(s, &key, &claim, see_answer, NULL, NULL), 0);
    store_close(s);
}

/* A controller that died in the middle leaves a key that nobody works on. */
TEST(access_frees_what_nobody_works_on)
{
    struct store *s = fixture_open();
    struct store_answer_key key = {"tok000000001", "key"};
    struct store_answer claim = {.request = {7}, .created = 5};

    CHECK_EQ(store_claim_answer(s, &key, &claim, see_answer, NULL, NULL), 0);
    CHECK_EQ(store_release_answers(s, NULL), 0);
    CHECK_EQ(store_claim_answer(s, &key, &claim, see_answer, NULL, NULL), 0);
    CHECK_EQ(store_put_answer(s, &key, 201, "{}", NULL), 0);
    CHECK_EQ(store_release_answers(s, NULL), 0);
    CHECK_EQ(store_claim_answer(s, &key, &claim, see_answer, NULL, NULL), 1);
    claim.created += 24 * 3600 * NSEC_PER_SEC; /* a day later the key is another one */
    CHECK_EQ(store_claim_answer(s, &key, &claim, see_answer, NULL, NULL), 0);
    store_close(s);
}

static void see_region(void *arg, const struct store_region *r)
{
    (void)arg;
    see(r->name);
    see(r->title);
    CHECK(isnan(r->latitude) == (strcmp(r->name, "b") == 0));
}

TEST(access_to_regions)
{
    struct store *s = fixture_open();
    struct store_region r = {
        .name = "b", .title = "B", .latitude = (double)NAN, .longitude = 5, .agents_wanted = -1};

    CHECK_EQ(store_put_region(s, &r, NULL), 0);
    r.name = "a";
    r.latitude = 1;
    CHECK_EQ(store_put_region(s, &r, NULL), 0);
    r.title = "A";
    CHECK_EQ(store_put_region(s, &r, NULL), 0);
    CHECK_EQ(store_list_regions(s, see_region, NULL, NULL), 0);
    check_seen("a A b B");
    store_close(s);
}

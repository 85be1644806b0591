/* Who may use the API: tokens, each with a role, and the sessions that browsers get for them.
 *
 * A token is 256 random bits; the store has its SHA-256. A slow hash would add nothing: there is no
 * dictionary of random bits to be tried, and every request would pay for it. All tokens are in
 * memory too, so that a request needs no look into the store, and a token that is taken back is
 * void at once. Sessions are in memory alone: a controller's restart ends them.
 *
 * Where the API is open (on loopback, when nothing was said) whoever shows no token is an admin;
 * pages of other sites that a browser has open beside it are kept out all the same.
 *
 * A run's own dashboard is open to runners, and when it listens beyond loopback to viewers. It
 * answers there to addresses, which no DNS can make point to it, and to this machine's name.
 *
 * Threads: the loop's. Internal to src/api. */
#ifndef API_ACCESS_H
#define API_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/routes.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/short_id.h"

struct access;
struct api_request;
struct keeper;

enum { ACCESS_NAME_SIZE = 401, ACCESS_TEXT_SIZE = 64, ACCESS_COOKIE_SIZE = 160 };

struct api_caller {
    char id[SHORT_ID_SIZE];      /* of the token; ACCESS_ANYBODY where none was needed */
    char name[ACCESS_NAME_SIZE]; /* of the token */
    enum api_role role;
    char run[SHORT_ID_SIZE]; /* the only one that may be seen; "": all */
};

#define ACCESS_ANYBODY "000000000000"

struct access_config {
    struct keeper *keeper;
    struct loop *loop;
    const char *token;       /* an admin's, of the operator's choosing; NULL: none */
    bool is_open;            /* no token is needed */
    bool is_shared;          /* by other machines too, though it is open */
    enum api_role open_role; /* of who shows no token, and is of this machine */
    bool is_tls;             /* the API speaks TLS: cookies are sent by it alone */
};

/* Reads the tokens; before the loop runs. With a message. */
MUST_USE int access_new(const struct access_config *config, struct access **out, struct diag *d);
void access_free(struct access *a); /* NULL is allowed */

/* Makes the first admin's token unless there is an admin: its text, which is nowhere else; "" when
 * none was needed. Before the loop runs. */
MUST_USE int access_bootstrap(struct access *a, char text[ACCESS_TEXT_SIZE], struct diag *d);

/* --- requests ------------------------------------------------------------------------------- */

/* Who asks: by its token, its cookie, or because the API is open. False: nobody that is known, or a
 * page of another site (403); it was answered. */
bool access_identify(struct access *a, struct api_request *r, struct api_caller *out);
/* Counts the request. False: there were too many; it was answered. */
bool access_count(struct access *a, struct api_request *r, const struct api_caller *caller);

/* --- sessions ------------------------------------------------------------------------------- */

/* A session for a token's text: who that is, and the value of Set-Cookie. False: no such token. */
bool access_open_session(struct access *a, const char *text, struct api_caller *out,
                         char cookie[ACCESS_COOKIE_SIZE]);
/* Forgets the request's, if it has one; the value of Set-Cookie. */
void access_close_session(struct access *a, const struct api_request *r,
                          char cookie[ACCESS_COOKIE_SIZE]);

/* --- tokens --------------------------------------------------------------------------------- */

struct access_grant {
    const char *name;
    enum api_role role;
    const char *run;        /* a share of this run; NULL: no share */
    const char *created_by; /* a name */
    int64_t expires;        /* wall nanoseconds; 0: never */
};

struct access_token {
    char id[SHORT_ID_SIZE];
    char text[ACCESS_TEXT_SIZE]; /* nowhere else */
    int64_t created;
};

/* Makes a token. The store's errors (store.h). */
MUST_USE
YIELDS
int access_grant(struct access *a, const struct access_grant *grant, struct access_token *out,
                 struct diag *d);
/* Takes back a share of `run`, or (NULL) a token that is none. ERR_NOT_FOUND; -EBUSY: the last
 * admin's. */
MUST_USE
YIELDS
int access_revoke(struct access *a, const char *id, const char *run, struct diag *d);

#endif

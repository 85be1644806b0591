#include "cli/agent_users.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "cli/load.h"
#include "fleet/agent.h"
#include "fleet/nats_server.h"
#include "loop/loop.h"

enum { MAX_USERS = 20000, LINE = 1024, PASSWORD_BYTES = 20 };

#define LOOK_NSEC (2 * NSEC_PER_SEC)

struct user_list {
    struct nats_user *list; /* owned, with the texts */
    size_t count;
};

struct agent_users {
    char *path;
    struct user_list all;       /* the controller's own, the file's, those started here */
    size_t started;             /* how many of them are the last */
    int64_t changed_nsec;       /* of the file */
    struct nats_server *server; /* NULL: not yet */
    struct loop *loop;
    struct timer look;
};

/* --- the list ------------------------------------------------------------------------------- */

static void add(struct user_list *users, const char *name, const char *password, const char *agent)
{
    users->list = mem_reallocarray(users->list, users->count + 1, sizeof *users->list);
    users->list[users->count++] = (struct nats_user){
        .name = mem_strdup(name), .password = mem_strdup(password), .agent = mem_strdup(agent)};
}

static void free_user(struct nats_user *user)
{
    mem_free(user->name);
    mem_free(user->password);
    mem_free(user->agent);
}

static void free_list(struct user_list *users)
{
    for (size_t i = 0; i < users->count; i++)
        free_user(&users->list[i]);
    mem_free(users->list);
    *users = (struct user_list){0};
}

static struct nats_user *find(const struct user_list *users, const char *name)
{
    for (size_t i = 0; i < users->count; i++) {
        if (strcmp(users->list[i].name, name) == 0)
            return &users->list[i];
    }
    return NULL;
}

static void add_random(struct user_list *users, const char *name, const char *agent)
{
    unsigned char random[PASSWORD_BYTES];
    char password[2 * PASSWORD_BYTES + 1];

    rng_system(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(password + 2 * i, 3, "%02x", random[i]);
    add(users, name, password, agent);
}

/* --- the file ------------------------------------------------------------------------------- */

/* 0: it can't be looked at. */
static int64_t last_change(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
}

static int read_line(struct user_list *users, char *text, struct diag *d)
{
    struct str rest = str_trim(str_of(text));
    char *id;
    char *password;
    int err = 0;

    if (rest.len == 0 || rest.ptr[0] == '#')
        return 0;
    id = str_dup(str_cut(&rest, ' '));
    password = str_dup(str_trim(rest));
    if (!agent_name_is_valid(id))
        err = diag_set(d, ERR_INVALID, "'%s' is no id of an agent: letters, digits, - and _", id);
    else if (strlen(password) < 8 || strpbrk(password, " \t\"\\"))
        err = diag_set(
            d, ERR_INVALID,
            "the password of '%s' must have 8 characters or more, with no blank, \" or \\", id);
    else if (find(users, id))
        err = diag_set(d, ERR_INVALID, "'%s' stands there twice", id);
    else if (users->count > MAX_USERS)
        err = diag_set(d, ERR_LIMIT, "more than %d agents", MAX_USERS);
    else
        add(users, id, password, id);
    mem_free(id);
    mem_free(password);
    return err;
}

static int read_file(const char *path, struct user_list *out, struct diag *d)
{
    FILE *f = fopen(path, "re");
    char line[LINE];
    int number = 0;
    int err = 0;

    if (!f)
        return diag_set(d, ERR_INVALID, "flag --agent-users: can't read %s: %s", path,
                        err_text(-errno));
    while (err == 0 && fgets(line, sizeof line, f)) {
        number++;
        err = read_line(out, line, d);
    }
    fclose(f);
    if (err)
        diag_at(d, path, number, 0);
    return err;
}

/* The controller's own and those started here stay as they are. */
static int read_again(struct agent_users *users, struct diag *d)
{
    struct user_list next = {0};
    const struct nats_user *own = &users->all.list[0];
    size_t started = users->all.count - users->started;
    int err;

    users->changed_nsec = last_change(users->path);
    add(&next, own->name, own->password, NULL);
    err = read_file(users->path, &next, d);
    for (size_t i = started; err == 0 && i < users->all.count; i++)
        add(&next, users->all.list[i].name, users->all.list[i].password, users->all.list[i].agent);
    if (err == 0 && users->server)
        err = nats_server_set_users(users->server, next.list, next.count, d);
    if (err) {
        free_list(&next);
        return err;
    }
    free_list(&users->all);
    users->all = next;
    return 0;
}

static void look(struct timer *timer)
{
    struct agent_users *users = CONTAINER_OF(timer, struct agent_users, look);
    struct diag d = DIAG_INIT;

    timer_start(users->loop, timer, clock_now() + LOOK_NSEC);
    if (last_change(users->path) == users->changed_nsec)
        return;
    if (read_again(users, &d))
        load_fail(0, &d);
    else
        log_printf(LOG_INFO, "%zu agents may enlist", users->all.count - 1);
}

/* --- all of them ---------------------------------------------------------------------------- */

int agent_users_new(const char *path, struct agent_users **out, struct diag *d)
{
    struct agent_users *users = mem_zalloc(sizeof *users);
    int err;

    users->path = mem_strdup(path);
    timer_init(&users->look, look);
    add_random(&users->all, "controller", NULL);
    err = read_again(users, d);
    if (err)
        agent_users_free(users);
    else
        *out = users;
    return err;
}

void agent_users_free(struct agent_users *users)
{
    if (!users)
        return;
    if (users->loop)
        timer_stop(users->loop, &users->look);
    free_list(&users->all);
    mem_free(users->path);
    mem_free(users);
}

const struct nats_user *agent_users_list(const struct agent_users *users, size_t *count)
{
    *count = users->all.count;
    return users->all.list;
}

void agent_users_serve(struct agent_users *users, struct nats_server *server, struct loop *loop)
{
    users->server = server;
    users->loop = loop;
    timer_start(loop, &users->look, clock_now() + LOOK_NSEC);
}

/* --- agents that are started here ----------------------------------------------------------- */

const char *agent_users_add(struct agent_users *users, const char *id, struct diag *d)
{
    if (find(&users->all, id)) {
        diag_set(d, ERR_INVALID, "%s has '%s' already", users->path, id);
        return NULL;
    }
    add_random(&users->all, id, id);
    users->started++;
    if (nats_server_set_users(users->server, users->all.list, users->all.count, d))
        return NULL;
    return users->all.list[users->all.count - 1].password;
}

void agent_users_remove(struct agent_users *users, const char *id)
{
    size_t started = users->all.count - users->started;
    struct user_list own = {users->all.list + started, users->started};
    struct nats_user *user = find(&own, id);
    struct diag d = DIAG_INIT;

    if (!user)
        return;
    free_user(user);
    users->all.count--;
    users->started--;
    for (; user < users->all.list + users->all.count; user++)
        *user = user[1];
    if (nats_server_set_users(users->server, users->all.list, users->all.count, &d))
        log_printf(LOG_WARN, "agent %s has ended and may still enlist: %s", id, d.message);
    diag_deinit(&d);
}

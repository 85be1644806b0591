#include "cli/agent_users.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "fleet/agent.h"

enum { MAX_USERS = 20000, LINE = 1024 };

int64_t agent_users_changed(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
}

static void add(struct agent_users *users, const char *name, const char *password,
                const char *agent)
{
    users->list = mem_reallocarray(users->list, users->count + 1, sizeof *users->list);
    users->list[users->count++] = (struct nats_user){
        .name = mem_strdup(name), .password = mem_strdup(password), .agent = mem_strdup(agent)};
}

static bool is_known(const struct agent_users *users, const char *name)
{
    for (size_t i = 0; i < users->count; i++) {
        if (strcmp(users->list[i].name, name) == 0)
            return true;
    }
    return false;
}

static int read_line(struct agent_users *users, char *text, struct diag *d)
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
    else if (is_known(users, id))
        err = diag_set(d, ERR_INVALID, "'%s' stands there twice", id);
    else if (users->count > MAX_USERS)
        err = diag_set(d, ERR_LIMIT, "more than %d agents", MAX_USERS);
    else
        add(users, id, password, id);
    mem_free(id);
    mem_free(password);
    return err;
}

int agent_users_read(const char *path, const char *password, struct agent_users *out,
                     struct diag *d)
{
    struct agent_users users = {.changed_nsec = agent_users_changed(path)};
    FILE *f = fopen(path, "re");
    char line[LINE];
    int number = 0;
    int err = 0;

    if (!f)
        return diag_set(d, ERR_INVALID, "flag --agent-users: can't read %s: %s", path,
                        err_text(-errno));
    add(&users, "controller", password, NULL);
    while (err == 0 && fgets(line, sizeof line, f)) {
        number++;
        err = read_line(&users, line, d);
    }
    fclose(f);
    if (err) {
        diag_at(d, path, number, 0);
        agent_users_deinit(&users);
        return err;
    }
    *out = users;
    return 0;
}

void agent_users_deinit(struct agent_users *users)
{
    for (size_t i = 0; i < users->count; i++) {
        mem_free(users->list[i].name);
        mem_free(users->list[i].password);
        mem_free(users->list[i].agent);
    }
    mem_free(users->list);
    *users = (struct agent_users){0};
}

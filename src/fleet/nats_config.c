#include "fleet/nats_config.h"

#include <errno.h>
#include <jansson.h>

#include "base/ensure.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "fleet/nats_server.h"

enum { NAME_MAX_BYTES = 128 };

/* The client library puts texts into its JSON as they are. */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < ' ' || strchr("\"\\\x7f", s.ptr[i]))
            return false;
    }
    return s.len > 0 && str_is_utf8(s);
}

/* One token of a subject. */
static bool is_token(const char *text)
{
    struct str s = str_of(text);

    if (!is_plain(s) || s.len > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (strchr(" .*>", s.ptr[i]))
            return false;
    }
    return true;
}

static int check_user(const struct nats_user *user, struct diag *d)
{
    if (!user->name || !is_token(user->name))
        return diag_set(d, ERR_INVALID,
                        "NATS: \"%s\" can't be a user's name: 1 to %d bytes without spaces, dots, "
                        "* and >",
                        user->name ? user->name : "", NAME_MAX_BYTES);
    if (!user->password || !is_plain(str_of(user->password)))
        return diag_set(d, ERR_INVALID,
                        "NATS: the user %s needs a password, in UTF-8 without \" and \\",
                        user->name);
    if (user->agent && !is_token(user->agent))
        return diag_set(d, ERR_INVALID,
                        "NATS: \"%s\" can't be an agent's id: 1 to %d bytes without spaces, dots, "
                        "* and >",
                        user->agent, NAME_MAX_BYTES);
    return 0;
}

int nats_config_check_users(const struct nats_user *users, size_t count, struct diag *d)
{
    struct map names = MAP_INIT;
    int err = 0;

    for (size_t i = 0; i < count && err == 0; i++) {
        err = check_user(&users[i], d);
        if (err == 0 && map_set(&names, str_of(users[i].name), &names))
            err = diag_set(d, ERR_INVALID, "NATS: two users are named %s", users[i].name);
    }
    map_deinit(&names);
    return err;
}

/* What an agent may do: docs/fleet.md, "What goes over NATS". Whatever a stream or a controller
 * answers comes to the agent's own inbox. */
static json_t *permissions_of(const char *agent)
{
    return json_pack("{s:{s:[o]}, s:{s:[o, o]}}", "publish", "allow",
                     json_sprintf("gale.agent.%s.>", agent), "subscribe", "allow",
                     json_sprintf("gale.agent.%s.order", agent),
                     json_sprintf("_INBOX_%s.>", agent));
}

static json_t *user_of(const struct nats_user *user)
{
    json_t *one = json_pack("{s:s, s:s}", "user", user->name, "password", user->password);

    if (user->agent)
        json_object_set_new(one, "permissions", permissions_of(user->agent));
    return one;
}

static json_t *tls_of(const struct nats_server_config *config)
{
    json_t *tls =
        json_pack("{s:s, s:s}", "cert_file", config->cert_file, "key_file", config->key_file);

    if (config->ca_file) {
        json_object_set_new(tls, "ca_file", json_string(config->ca_file));
        json_object_set_new(tls, "verify", json_true());
    }
    return tls;
}

char *nats_config_text(const struct nats_server_config *config, const char *name, int port,
                       const char *store, int64_t max_store)
{
    json_t *root = json_pack("{s:s, s:i, s:s, s:i, s:s, s:i, s:s, s:{s:s, s:I, s:i}}", "host",
                             config->host, "port", port, "server_name", name, "max_payload",
                             NATS_MAX_PAYLOAD_BYTES, "ping_interval", "5s", "ping_max", 3,
                             "write_deadline", "10s", "jetstream", "store_dir", store,
                             "max_file_store", (json_int_t)max_store, "max_memory_store", 64 << 20);
    char *text;
    char *copy;

    ensure(root);
    if (config->cert_file)
        json_object_set_new(root, "tls", tls_of(config));
    if (config->user_count > 0) {
        json_t *users = json_array();

        for (size_t i = 0; i < config->user_count; i++)
            json_array_append_new(users, user_of(&config->users[i]));
        json_object_set_new(root, "authorization", json_pack("{s:o}", "users", users));
    }
    text = json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    ensure(text);
    json_decref(root);
    copy = mem_strdup(text);
    free(text);
    return copy;
}

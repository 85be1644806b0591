#include "script/secrets/secrets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "script/secrets/url.h"

enum kind { KIND_FILE, KIND_MOCK, KIND_URL };

struct secret_source {
    char *name;
    enum kind kind;
    struct map values;      /* char * */
    struct secret_url *url; /* owned; NULL but for KIND_URL */
    bool is_default;
    struct secret_source *next;
};

struct secrets {
    struct secret_source *first; /* in order of the command line */
};

struct secrets *secrets_new(void)
{
    return mem_zalloc(sizeof(struct secrets));
}

static void free_source(struct secret_source *source)
{
    map_deinit_with(&source->values, mem_free);
    secret_url_free(source->url);
    mem_free(source->name);
    mem_free(source);
}

void secrets_free(struct secrets *s)
{
    if (!s)
        return;
    while (s->first) {
        struct secret_source *source = s->first;

        s->first = source->next;
        free_source(source);
    }
    mem_free(s);
}

/* --- reading ------------------------------------------------------------------------------ */

/* A value may stand in double quotes. */
static struct str unquoted(struct str s)
{
    if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
        return str_slice(s, 1, s.len - 1);
    return s;
}

static void put(struct secret_source *source, struct str key, struct str value)
{
    mem_free(map_set(&source->values, key, str_dup(unquoted(value))));
}

static int read_file(struct secret_source *source, struct str path, struct diag *d)
{
    char *name = str_dup(path);
    FILE *in = fopen(name, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    int number = 0;
    int err = 0;

    if (!in)
        err = diag_set(d, ERR_INVALID, "--secret-source: %s: %s", name, strerror(errno));
    while (err == 0 && (len = getline(&line, &room, in)) >= 0) {
        struct str text = str_trim(str_from(line, (size_t)len));
        struct str key;

        number++;
        if (text.len == 0 || text.ptr[0] == '#')
            continue;
        if (str_find(text, '=') <= 0) {
            err = diag_set(d, ERR_INVALID, "--secret-source: this line is not key=value");
            diag_at(d, name, number, 1);
            break;
        }
        key = str_cut(&text, '=');
        put(source, str_trim(key), str_trim(text));
    }
    free(line);
    if (in)
        fclose(in);
    mem_free(name);
    return err;
}

/* One of the parts between commas. */
static int read_part(struct secret_source *source, struct str part, struct diag *d)
{
    struct str rest = part;
    struct str key = str_cut(&rest, '=');
    bool has_value = key.len < part.len;

    if (str_eq_c(part, "default")) {
        source->is_default = true;
    } else if (str_eq_c(key, "name") && has_value) {
        mem_free(source->name);
        source->name = str_dup(rest);
    } else if (source->kind == KIND_URL) {
        return secret_url_set(source->url, key, rest, d);
    } else if (source->kind == KIND_MOCK) {
        if (!has_value || key.len == 0)
            return diag_set(d, ERR_INVALID, "--secret-source=mock: '%.*s' is not key=value",
                            STR_ARG(part));
        put(source, key, rest);
    } else {
        return read_file(source, str_eq_c(key, "filename") && has_value ? rest : part, d);
    }
    return 0;
}

static int read_parts(struct secret_source *source, struct str rest, struct diag *d)
{
    struct str again = rest;
    int err = 0;

    if (source->kind == KIND_URL) { /* what stands in the file counts less than what stands here */
        source->url = secret_url_new();
        err = secret_url_read_env(source->url, d);
        while (again.len > 0 && err == 0)
            err = secret_url_read_file(source->url, str_cut(&again, ','), d);
    }
    while (rest.len > 0 && err == 0)
        err = read_part(source, str_cut(&rest, ','), d);
    return err == 0 && source->url ? secret_url_check(source->url, d) : err;
}

int secrets_add(struct secrets *s, struct str spec, struct diag *d)
{
    static const char *const kinds[] = {"file", "mock", "url"};
    struct str rest = spec;
    struct str type = str_cut(&rest, '=');
    struct secret_source **last = &s->first;
    struct secret_source *source;
    size_t kind = 0;
    int err;

    while (kind < COUNT_OF(kinds) && !str_eq_c(type, kinds[kind]))
        kind++;
    if (kind == COUNT_OF(kinds))
        return diag_set(d, ERR_INVALID, "unknown secret source '%.*s': use file, mock or url",
                        STR_ARG(type));
    source = mem_zalloc(sizeof *source);
    source->name = str_dup(type);
    source->kind = (enum kind)kind;
    map_init(&source->values);
    err = read_parts(source, rest, d);
    if (err == 0 && secrets_find(s, str_of(source->name)))
        err = diag_set(d, ERR_INVALID,
                       "two secret sources have the name '%s': give one another by "
                       "name=",
                       source->name);
    if (err) {
        free_source(source);
        return err;
    }
    while (*last)
        last = &(*last)->next;
    *last = source;
    return 0;
}

/* --- looking up --------------------------------------------------------------------------- */

const struct secret_source *secrets_find(const struct secrets *s, struct str name)
{
    for (const struct secret_source *source = s->first; source; source = source->next) {
        if (name.len ? str_eq(str_of(source->name), name) : source->is_default)
            return source;
    }
    return name.len ? NULL : s->first;
}

const char *secret_source_name(const struct secret_source *source)
{
    return source->name;
}

const struct secret_url *secret_source_url(const struct secret_source *source)
{
    return source->url;
}

int secret_source_get(const struct secret_source *source, struct str key, struct str *value,
                      struct diag *d)
{
    const char *secret = map_get(&source->values, key);

    if (!secret)
        return diag_set(d, ERR_NOT_FOUND, "no secret with the key \"%.*s\" in the source '%s'",
                        STR_ARG(key), source->name);
    log_redact(str_of(secret));
    *value = str_of(secret);
    return 0;
}

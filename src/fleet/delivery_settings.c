#include "fleet/delivery_settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "output/output.h"

enum { MOST_OUTPUTS = 10, MOST_VARIABLES = 100, MOST_TEXT = 10000 };

const char *delivery_own_env(const char *name)
{
    return getenv(name);
}

static void add(char ***list, size_t *count, char *text)
{
    *list = mem_reallocarray((void *)*list, *count + 2, sizeof(char *));
    (*list)[(*count)++] = text;
    (*list)[*count] = NULL;
}

static int read_texts(const json_t *settings, const char *key, char ***list, size_t *count,
                      struct diag *d)
{
    const json_t *texts = json_object_get(settings, key);

    if (texts && !json_is_array(texts))
        return diag_set(d, ERR_INVALID, "settings: %s: a list of texts", key);
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const char *text = json_string_value(json_array_get(texts, i));

        if (!text || !text[0] || strlen(text) > MOST_TEXT)
            return diag_set(d, ERR_INVALID, "settings: %s: texts of 1 to %d characters", key,
                            MOST_TEXT);
        if (*count == MOST_OUTPUTS)
            return diag_set(d, ERR_LIMIT, "settings: %s: %d at most", key, MOST_OUTPUTS);
        add(list, count, mem_strdup(text));
    }
    return 0;
}

static bool is_taken(const struct delivery_settings *s, const char *name)
{
    for (size_t i = 0; i < s->output_count; i++) {
        if (output_takes_variable(str_of(s->outputs[i]), str_of(name)))
            return true;
    }
    return false;
}

static int read_environment(const json_t *settings, struct delivery_settings *out, struct diag *d)
{
    const json_t *env = json_object_get(settings, "env");
    const char *name;
    json_t *value;

    add(&out->environment, &out->environment_count, NULL);
    out->environment_count = 0;
    if (env && (!json_is_object(env) || json_object_size(env) > MOST_VARIABLES))
        return diag_set(d, ERR_INVALID, "settings: env: %d variables at most", MOST_VARIABLES);
    json_object_foreach((json_t *)(uintptr_t)env, name, value)
    {
        const char *text = json_string_value(value);

        if (!text || strlen(text) > MOST_TEXT)
            return diag_set(d, ERR_INVALID, "settings: env: %s: a text of %d characters at most",
                            name, MOST_TEXT);
        if (!is_taken(out, name))
            return diag_set(d, ERR_INVALID,
                            "settings: env: %s configures none of the outputs, or names a file",
                            name);
        add(&out->environment, &out->environment_count, mem_printf("%s=%s", name, text));
    }
    return 0;
}

int delivery_settings_read(const json_t *settings, struct delivery_settings *out, struct diag *d)
{
    int err;

    *out = (struct delivery_settings){
        .native_histograms = json_is_true(json_object_get(settings, "native_histograms"))};
    err = read_texts(settings, "outputs", &out->outputs, &out->output_count, d);
    if (err == 0)
        err = read_texts(settings, "scrape", &out->scrapes, &out->scrape_count, d);
    return err ? err : read_environment(settings, out, d);
}

static void free_texts(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(list[i]);
    mem_free((void *)list);
}

void delivery_settings_deinit(struct delivery_settings *s)
{
    free_texts(s->outputs, s->output_count);
    free_texts(s->scrapes, s->scrape_count);
    free_texts(s->environment, s->environment_count);
    *s = (struct delivery_settings){NULL};
}

#include "api/body.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

static int refuse(struct diag *d, const char *name, const char *message)
{
    char *place = mem_printf("/%s", name);

    diag_set(d, ERR_INVALID, "%s: %s", name, message);
    diag_at(d, place, 0, 0);
    mem_free(place);
    return ERR_INVALID;
}

/* "it may have 200 characters" */
static int refuse_number(struct diag *d, const char *name, const char *may, size_t number,
                         const char *what)
{
    char message[200];

    snprintf(message, sizeof message, "%s %zu%s", may, number, what);
    return refuse(d, name, message);
}

/* Code points. */
static size_t length_of(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static int check_text(const struct body_field *f, const json_t *value, struct diag *d)
{
    if (!json_is_string(value))
        return refuse(d, f->name, "it must be a text");
    if (f->is_needed && json_string_length(value) == 0)
        return refuse(d, f->name, "it must not be empty");
    if (length_of(json_string_value(value)) > f->max)
        return refuse_number(d, f->name, "it may have", f->max, " characters");
    return 0;
}

static int check_word(const struct body_field *f, const json_t *value, struct diag *d)
{
    struct str rest = str_of(f->words);
    char message[200];

    while (json_is_string(value) && rest.len > 0) {
        if (str_eq_c(str_cut(&rest, ' '), json_string_value(value)))
            return 0;
    }
    snprintf(message, sizeof message, "it must be one of: %s", f->words);
    return refuse(d, f->name, message);
}

static int check_texts(const struct body_field *f, const json_t *value, struct diag *d)
{
    const char *key;
    json_t *text;

    if (!json_is_object(value))
        return refuse(d, f->name, "it must be an object of texts");
    if (json_object_size(value) > f->max)
        return refuse_number(d, f->name, "it may have", f->max, " entries");
    json_object_foreach((json_t *)(uintptr_t)value, key, text)
    {
        if (!json_is_string(text))
            return refuse(d, f->name, "its values must be texts");
        if (length_of(json_string_value(text)) > f->each)
            return refuse_number(d, f->name, "its texts may have", f->each, " characters");
    }
    return 0;
}

static int check_object(const struct body_field *f, const json_t *value, struct diag *d)
{
    if (!json_is_object(value))
        return refuse(d, f->name, "it must be an object");
    if (f->max && json_object_size(value) > f->max)
        return refuse_number(d, f->name, "it may have", f->max, " entries");
    return 0;
}

static int check_list(const struct body_field *f, const json_t *value, struct diag *d)
{
    if (!json_is_array(value) || json_array_size(value) == 0)
        return refuse(d, f->name, "it must be an array with at least one item");
    if (json_array_size(value) > f->max)
        return refuse_number(d, f->name, "it may have", f->max, " items");
    return 0;
}

static int check_int(const struct body_field *f, const json_t *value, struct diag *d)
{
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > (json_int_t)f->max)
        return refuse_number(d, f->name, "it must be a whole number from 1 to", f->max, "");
    return 0;
}

static int check_field(const struct body_field *f, const json_t *value, struct diag *d)
{
    switch (f->kind) {
    case BODY_TEXT:
        return check_text(f, value, d);
    case BODY_WORD:
        return check_word(f, value, d);
    case BODY_TEXTS:
        return check_texts(f, value, d);
    case BODY_OBJECT:
        return check_object(f, value, d);
    case BODY_LIST:
        return check_list(f, value, d);
    case BODY_INT:
        return check_int(f, value, d);
    case BODY_ANY:
        break;
    }
    return 0;
}

static const struct body_field *find(const struct body_field *fields, size_t count,
                                     const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    }
    return NULL;
}

int body_check(const json_t *body, const struct body_field *fields, size_t count, struct diag *d)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)body, name, value)
    {
        const struct body_field *f = find(fields, count, name);
        int err = f ? check_field(f, value, d) : refuse(d, name, "there is no such field");

        if (err)
            return err;
    }
    for (size_t i = 0; i < count; i++) {
        if (fields[i].is_needed && !json_object_get(body, fields[i].name))
            return refuse(d, fields[i].name, "it is missing");
    }
    return 0;
}

const char *body_text(const json_t *body, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(body, name));

    return text ? text : otherwise;
}

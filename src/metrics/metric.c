#include "metrics/metric.h"

#include "base/err.h"
#include "base/mem.h"

static const struct {
    const char *name;
    enum metric_type type;
    enum metric_contains contains;
} builtin[] = {
#define METRIC(id, name, type, contains) {(name), METRIC_##type, METRIC_##contains},
#include "metrics/builtin.def"
#undef METRIC
};

static const struct metric *add(struct metric_registry *r, struct str name, enum metric_type type,
                                enum metric_contains contains)
{
    struct metric *m = mem_alloc(sizeof *m);

    *m = (struct metric){r->count, str_from(str_dup(name), name.len), type, contains};
    r->metrics = mem_reallocarray((void *)r->metrics, r->count + 1, sizeof *r->metrics);
    r->metrics[r->count++] = m;
    map_set(&r->_by_name, m->name, m);
    return m;
}

void metric_registry_init(struct metric_registry *r)
{
    *r = (struct metric_registry){0};
    map_init(&r->_by_name);
    for (size_t i = 0; i < COUNT_OF(builtin); i++)
        add(r, str_of(builtin[i].name), builtin[i].type, builtin[i].contains);
}

void metric_registry_deinit(struct metric_registry *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        mem_free((void *)(uintptr_t)r->metrics[i]->name.ptr);
        mem_free(r->metrics[i]);
    }
    mem_free((void *)r->metrics);
    map_deinit(&r->_by_name);
}

static bool is_valid_name(struct str name)
{
    if (name.len < 2 || name.len > 129)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return true;
}

int metric_registry_add(struct metric_registry *r, struct str name, enum metric_type type,
                        enum metric_contains contains, const struct metric **out, struct diag *d)
{
    const struct metric *m = metric_registry_find(r, name);

    if (m && (m->type != type || (m->contains != contains && m->id >= METRIC_BUILTIN_COUNT)))
        return diag_set(d, ERR_INVALID,
                        "metric '%.*s' already exists with another type: it is a %s of %s values",
                        STR_ARG(name), metric_type_name(m->type),
                        metric_contains_name(m->contains));
    if (!m && !is_valid_name(name))
        return diag_set(d, ERR_INVALID,
                        "invalid metric name '%.*s': it must be a letter or underscore, then "
                        "letters, digits and underscores, 2 to 129 in all",
                        STR_ARG(name));
    *out = m ? m : add(r, name, type, contains);
    return 0;
}

const struct metric *metric_registry_find(const struct metric_registry *r, struct str name)
{
    return map_get(&r->_by_name, name);
}

const char *metric_type_name(enum metric_type type)
{
    static const char *const names[] = {"counter", "gauge", "rate", "trend"};

    return names[type];
}

const char *metric_contains_name(enum metric_contains contains)
{
    static const char *const names[] = {"default", "time", "data"};

    return names[contains];
}

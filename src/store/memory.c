#include "store/memory.h"

#include "base/mem.h"
#include "store/dictionary.h"
#include "store/sql.h"

static void free_memory(void *value)
{
    struct run_memory *m = value;

    if (!m)
        return;
    dictionary_free(m->series);
    mem_free(m);
}

int memory_of(struct store *s, const char *run, struct run_memory **out, struct diag *d)
{
    struct run_memory *m = map_get(&s->_runs, str_of(run));
    int64_t key;
    int err;

    if (!m) {
        err = sql_run_key(s, run, &key, d);
        if (err)
            return err;
        m = mem_zalloc(sizeof *m);
        m->run = key;
        for (int i = 0; i < JOURNAL_COUNT; i++)
            m->counts[i] = -1;
        map_set(&s->_runs, str_of(run), m);
    }
    *out = m;
    return 0;
}

int memory_series(struct store *s, const char *run, struct dictionary **out, struct diag *d)
{
    struct run_memory *m;
    int err = memory_of(s, run, &m, d);

    if (!err && !m->series)
        err = dictionary_load(s, m->run, &m->series, d);
    if (!err)
        *out = m->series;
    return err;
}

void memory_forget_run(struct store *s, const char *run)
{
    free_memory(map_remove(&s->_runs, str_of(run)));
}

void memory_forget(struct store *s)
{
    map_deinit_with(&s->_runs, free_memory);
    map_init(&s->_runs);
}

#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

void diag_deinit(struct diag *d)
{
    mem_free(d->file);
    mem_free(d->message);
    *d = (struct diag)DIAG_INIT;
}

int diag_set(struct diag *d, int err, const char *fmt, ...)
{
    va_list args;

    if (!d || d->message)
        return err;
    va_start(args, fmt);
    d->message = mem_vprintf(fmt, args);
    va_end(args);
    return err;
}

void diag_at(struct diag *d, const char *file, int line, int column)
{
    if (!d || d->file)
        return;
    d->file = mem_strdup(file);
    d->line = line;
    d->column = column;
}

void diag_prefix(struct diag *d, const char *fmt, ...)
{
    va_list args;
    char *prefix;
    char *joined;

    if (!d || !d->message)
        return;
    va_start(args, fmt);
    prefix = mem_vprintf(fmt, args);
    va_end(args);
    joined = mem_printf("%s: %s", prefix, d->message);
    mem_free(prefix);
    mem_free(d->message);
    d->message = joined;
}

char *diag_text(const struct diag *d)
{
    const char *message = d->message ? d->message : "unknown error";

    if (!d->file)
        return mem_strdup(message);
    if (d->line <= 0)
        return mem_printf("%s: %s", d->file, message);
    if (d->column <= 0)
        return mem_printf("%s:%d: %s", d->file, d->line, message);
    return mem_printf("%s:%d:%d: %s", d->file, d->line, d->column, message);
}

/* The tables of the store and how they came to be: versions that are applied one after another. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"

struct store;

/* Brings a new or older file up to date, in one transaction; refuses what is newer or not ours. */
MUST_USE int schema_prepare(struct store *s, struct diag *d);

/* The same with a list of versions, each a list of statements that ends with NULL. */
MUST_USE int schema_upgrade(struct store *s, const char *const *const *list, size_t count,
                            struct diag *d);

#endif

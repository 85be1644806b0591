/* The loader's own state in a VU: only while its init context runs. */
#ifndef SCRIPT_LOADER_H
#define SCRIPT_LOADER_H

#include "script/internal.h"

/* A CommonJS file that was evaluated: `module` is its module object. For built-in and ES modules
 * that were required it is what require() returned. */
struct cjs_module {
    char *url;
    JSValue module; /* owned */
};

/* An ES module that the first VU has compiled. */
struct es_module {
    const char *url; /* the script's */
    JSValue module;  /* owned */
};

struct vu_loader {
    JSValue main; /* owned: the main module, unless it is CommonJS */
    JSValue pack; /* owned: array of all code; undefined in the first VU */
    struct cjs_module **cjs;
    size_t cjs_count;
    struct cjs_module *running; /* whose body is being evaluated */
    struct es_module *es;
    size_t es_count;
    bool in_required_es; /* an ES module that was required is being evaluated */
    unsigned in_es;      /* ES modules are being linked or evaluated */
    char *importer;      /* who imports what, of the newest import */
    char *specifier;
};

/* The module of a URL, and its code in this VU (owned). NULL: exception. */
MUST_USE struct module *loader_find_module(struct vu *vu, struct str url, JSValue *code);

/* --- loader_cjs.c ------------------------------------------------------------------------- */

/* NULL: not evaluated yet. */
struct cjs_module *loader_find_cjs(struct vu_loader *loader, struct str url);
/* Evaluates a CommonJS or JSON file once per VU; takes `code`. NULL: exception. */
MUST_USE YIELDS struct cjs_module *loader_load_cjs(struct vu *vu, const struct module *module,
                                                   JSValue code);
/* A CommonJS file as an ES module: evaluated now, because its names must be known for linking. */
MUST_USE YIELDS JSModuleDef *loader_import_cjs(struct vu *vu, const struct module *module,
                                               JSValue code);
/* What require() of that URL gives. */
MUST_USE YIELDS JSValue loader_require(struct vu *vu, struct str url);

/* --- names and places --------------------------------------------------------------------- */

/* The URL, or built-in name, that `specifier` means in module `base`: heap. NULL: exception. */
char *loader_resolve(JSContext *ctx, struct str base, struct str specifier);
/* Gives the pending exception the place of the import of `specifier` in `base`, unless it has a
 * place. */
void loader_blame(struct vu *vu, const char *base, const char *specifier);
/* The same for a name that a module imports and another does not export. */
void loader_blame_link(struct vu *vu);
void loader_note_builtin(struct script *script, const struct host_module *module);

#endif

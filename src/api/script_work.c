#include "api/script_work.h"

#include <stdlib.h>
#include <string.h>

#include "api/fleet_views.h"
#include "api/server.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fleet/blob.h"
#include "fleet/controller.h"
#include "loop/offload.h"

enum { TAR_MAGIC_AT = 257, TAR_MAGIC_LEN = 5, MAX_NAME = 200 };

void script_work_deinit(struct script_work *w)
{
    mem_free((void *)(uintptr_t)w->input.ptr);
    prepared_free(w->prepared);
    diag_deinit(&w->diag);
}

/* An archive is known by its content, whatever it was packed from. */
static bool is_archive(struct str content)
{
    return content.len > TAR_MAGIC_AT + TAR_MAGIC_LEN &&
           memcmp(content.ptr + TAR_MAGIC_AT, "ustar", TAR_MAGIC_LEN) == 0;
}

const char *script_name(struct arena *a, struct str content, const char *given)
{
    if (given)
        return arena_strdup(a, given);
    return is_archive(content) ? "archive.tar" : "script.js";
}

const char *script_kind(struct str content)
{
    return is_archive(content) ? "archive" : "script";
}

bool script_name_is_valid(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == '/' || name[i] == '\\')
            return false;
    }
    return len > 0 && len <= MAX_NAME;
}

struct reading {
    const struct preparer *preparer;
    struct script_work *work;
    struct upload upload;
};

static void read_offloaded(void *arg)
{
    struct reading *r = arg;

    r->work->code =
        r->preparer->prepare(r->preparer->arg, &r->upload, &r->work->prepared, &r->work->diag);
}

int script_read(const struct controller *c, struct script_work *w)
{
    char *archive = is_archive(w->input) ? mem_printf("%s.tar", w->name) : NULL;
    struct reading reading = {
        .preparer = controller_preparer(c),
        .work = w,
        .upload = {archive ? archive : w->name, w->input, w->env, w->changes},
    };

    offload_run(read_offloaded, &reading);
    mem_free(archive);
    if (w->code)
        return ERR_INVALID;
    mem_free(w->prepared->name);
    w->prepared->name = mem_strdup(w->name);
    return 0;
}

void script_refuse(struct api_request *r, const struct script_work *w)
{
    const struct diag *d = &w->diag;
    struct str source = str_of(d->message ? d->message : "it could not be read");
    struct str message = str_cut(&source, '\n');
    char *text = str_dup(message);
    json_t *more = json_object();
    json_t *script;

    if (!d->file) {
        json_decref(more);
        api_problem(r, 422, "/problems/invalid-script", "Invalid script", "%s",
                    d->message ? d->message : text);
        mem_free(text);
        return;
    }
    script = json_pack("{s:s, s:i, s:i, s:s}", "file", d->file, "line", d->line, "column",
                       d->column, "message", text);
    if (source.len > 0)
        json_object_set_new(script, "excerpt", json_stringn_nocheck(source.ptr, source.len));
    json_object_set_new(more, "script", script);
    api_problem_with(r, 422, "/problems/invalid-script", "Invalid script", more, "%s:%d:%d: %s",
                     d->file, d->line, d->column, text);
    mem_free(text);
}

void script_version(struct arena *a, const struct script_work *w, struct store_version *out)
{
    json_t *found = view_found(w->prepared);
    char *text = json_dumps(found, JSON_COMPACT);
    struct blob_id id;

    *out = (struct store_version){
        .kind = script_kind(w->input),
        .filename = w->name,
        .found = arena_strdup(a, text ? text : "{}"),
        .created = clock_wall(),
    };
    blob_id_of(w->input, &id);
    memcpy(out->sha256, id.sha256, sizeof out->sha256);
    json_decref(found);
    free(text);
}

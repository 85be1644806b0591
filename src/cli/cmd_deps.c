/* gale deps: the modules of the script, which running its init context has found. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/command.h"
#include "cli/load.h"
#include "engine/run.h"
#include "script/files.h"
#include "script/script.h"

struct listing {
    json_t *imports;
    const char *main_url;
};

static void add_file(void *arg, const struct file *file)
{
    struct listing *l = arg;

    if (file->is_module && strcmp(file->url, l->main_url) != 0)
        json_array_append_new(l->imports, json_string(file->url));
}

static bool print_json(json_t *imports)
{
    json_t *all = json_pack("{s:{}, s:O, s:b}", "buildDependencies", "imports", imports,
                            "customBuildRequired", 0);
    char *text = json_dumps(all, JSON_INDENT(2));
    bool ok = print_out(str_of(text)) && print_out(STR("\n"));

    free(text);
    json_decref(all);
    return ok;
}

static bool print_lines(json_t *imports)
{
    json_t *item;
    size_t i;

    json_array_foreach(imports, i, item)
    {
        if (!print_out(str_of(json_string_value(item))) || !print_out(STR("\n")))
            return false;
    }
    return true;
}

int cmd_deps(const struct args *args)
{
    struct test t;
    struct listing l = {0};
    int code = load_test(args, false, &t);

    if (code)
        return code;
    l.imports = json_array();
    l.main_url = script_url(t.script);
    for (const char *const *name = script_builtins(t.script); *name; name++)
        json_array_append_new(l.imports, json_string(*name));
    files_each(script_files(t.script), add_file, &l);
    if (!(args_bool(args, FLAG_JSON) ? print_json : print_lines)(l.imports))
        code = EXIT_CODE_OTHER;
    json_decref(l.imports);
    load_deinit(&t);
    return code;
}

#include "base/diag.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/archive.h"
#include "cli/args.h"
#include "cli/command.h"
#include "cli/load.h"
#include "engine/run.h"
#include "script/script.h"

int cmd_archive(const struct args *args)
{
    struct test t;
    struct diag d = DIAG_INIT;
    int code = load_test(args, false, &t);
    json_t *options;

    if (code)
        return code;
    code = load_scenarios(&t);
    if (code == 0) {
        struct archive_write_test what = {
            .path = args_text(args, FLAG_ARCHIVE_OUT, "archive.tar"),
            .main_url = script_url(t.script),
            .files = script_files(t.script),
            .metrics = script_metrics(t.script),
            .env = args_bool(args, FLAG_EXCLUDE_ENV_VARS) ? NULL : &t.env,
        };

        options = options_to_json(&t.options);
        what.options = options;
        if (archive_write_test_to(&what, &d)) {
            log_printf(LOG_ERROR, "%s", d.message);
            code = EXIT_CODE_OTHER;
        }
        json_decref(options);
        diag_deinit(&d);
    }
    load_deinit(&t);
    return code;
}

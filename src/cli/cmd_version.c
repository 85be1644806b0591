#include <sys/utsname.h>

#include "base/buf.h"
#include "cli/args.h"
#include "cli/command.h"

int cmd_version(const struct args *args)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    struct utsname system = {0};
    bool ok;

    uname(&system);
    if (args_bool(args, FLAG_JSON))
        buf_printf(&out, "{\"version\":\"%s\",\"k6\":\"2.2.0\",\"os\":\"%s\",\"arch\":\"%s\"}\n",
                   GALE_VERSION, system.sysname, system.machine);
    else
        buf_printf(&out, "gale v%s (scripts of k6 v2.2, %s/%s)\n", GALE_VERSION, system.sysname,
                   system.machine);
    ok = print_out(buf_str(&out));
    buf_deinit(&out);
    return ok ? 0 : 1;
}

#include "api/run_settings.h"

#include "api/server.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "fleet/controller.h"
#include "loop/offload.h"

enum { MOST_BYTES = 32 * 1024 };

int run_settings_read(const struct api_request *r, json_t **out, struct diag *d)
{
    const char *header = api_header(r, "Gale-Settings");
    struct buf text = BUF_INIT(MOST_BYTES);
    json_t *json = NULL;

    *out = NULL;
    if (!header)
        return 0;
    if (base64_decode(str_of(header), &text))
        json = json_loadb(text.len ? text.data : "", text.len, 0, NULL);
    buf_deinit(&text);
    if (!json_is_object(json)) {
        json_decref(json);
        return diag_set(d, ERR_INVALID,
                        "header Gale-Settings: it must be Base64 of a JSON object, of %d bytes at "
                        "most",
                        MOST_BYTES);
    }
    *out = json;
    return 0;
}

struct opening {
    const struct controller *controller;
    const json_t *settings;
    struct delivery **out;
    struct diag *diag;
    int err;
};

static void open_offloaded(void *arg)
{
    struct opening *o = arg;

    o->err = controller_open_delivery(o->controller, o->settings, o->out, o->diag);
}

YIELDS int run_settings_open(const struct controller *c, const json_t *settings,
                             struct delivery **out, struct diag *d)
{
    struct opening opening = {c, settings, out, d, 0};

    *out = NULL;
    if (settings)
        offload_run(open_offloaded, &opening);
    return opening.err;
}

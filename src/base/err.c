#include "base/err.h"

#include <errno.h>
#include <string.h>

static const struct {
    int k6_code;
    const char *text;
} table[] = {
#define ERR(name, k6_code, text) {(k6_code), (text)},
#include "base/err.def"
#undef ERR
};

const char *err_text(int err)
{
    if (err > ERR_FIRST_ && err < ERR_LAST_)
        return table[err - ERR_FIRST_ - 1].text;
    if (err < 0 && err > ERR_FIRST_) {
        const char *text = strerrordesc_np(-err);

        return text ? text : "unknown system error";
    }
    return err >= 0 ? "no error" : "unknown error";
}

int err_k6_code(int err)
{
    if (err > ERR_FIRST_ && err < ERR_LAST_) {
        int code = table[err - ERR_FIRST_ - 1].k6_code;

        return code ? code : 1000;
    }
    switch (err) {
    case -EPIPE:
        return 1201;
    case -ECONNREFUSED:
        return 1212;
    case -ECONNRESET:
        return 1220;
    case -ETIMEDOUT:
        return 1211;
    default:
        return err < 0 ? 1202 : 1000;
    }
}

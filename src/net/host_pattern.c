#include "net/host_pattern.h"

#include "base/err.h"
#include "base/mem.h"

static struct str without_dot(struct str host)
{
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    return host;
}

/* Labels of letters, digits, "-" and "_", or bytes of an internationalised name. */
static bool is_host_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool is_alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!is_alnum && c != '-' && c != '_' && c != '.' && c != ':' && c < 0x80)
            return false;
    }
    return true;
}

int host_pattern_parse(struct str text, struct host_pattern *out)
{
    bool is_wild = text.len > 0 && text.ptr[0] == '*';
    struct str suffix = without_dot(str_from_index(text, is_wild ? 1 : 0));
    size_t offset = is_wild ? 1 : 0;

    if (text.len == 0 || text.len > 255 || !is_host_text(suffix))
        return ERR_INVALID;
    out->text = str_dup(text);
    out->suffix = str_from(out->text + offset, suffix.len);
    out->is_wild = is_wild;
    return 0;
}

void host_pattern_deinit(struct host_pattern *p)
{
    mem_free(p->text);
}

bool host_pattern_eq(const struct host_pattern *a, const struct host_pattern *b)
{
    return a->is_wild == b->is_wild && str_eq_nocase(a->suffix, b->suffix);
}

bool host_pattern_matches(const struct host_pattern *p, struct str host)
{
    host = without_dot(host);
    if (!p->is_wild)
        return str_eq_nocase(p->suffix, host);
    return host.len >= p->suffix.len &&
           str_eq_nocase(str_from_index(host, host.len - p->suffix.len), p->suffix);
}

int host_split_port(struct str host, struct str *name, uint16_t *port)
{
    ptrdiff_t colon = str_rfind(host, ':');
    uint64_t number = 0;

    *name = host;
    *port = 0;
    if (host.len > 0 && host.ptr[0] == '[') {
        ptrdiff_t end = str_rfind(host, ']');

        if (end < 0)
            return ERR_INVALID;
        *name = str_slice(host, 1, (size_t)end);
        colon = (size_t)end + 1 == host.len ? -1 : end + 1;
        if (colon >= 0 && host.ptr[colon] != ':')
            return ERR_INVALID;
    } else if (colon >= 0 && str_find(host, ':') != colon) {
        colon = -1;
    }
    if (colon < 0)
        return 0;
    if (host.ptr[0] != '[')
        *name = str_slice(host, 0, (size_t)colon);
    if (!str_to_u64(str_from_index(host, (size_t)colon + 1), &number) || number == 0 ||
        number > UINT16_MAX)
        return ERR_INVALID;
    *port = (uint16_t)number;
    return 0;
}

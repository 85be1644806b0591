#include "proto/http1.h"

#include <endian.h>
#include <string.h>

#include "base/err.h"

/* --- requests ----------------------------------------------------------------------------- */

static char *put(char *at, struct str s)
{
    if (s.len)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

struct str http1_write_head(struct str method, struct str target, const struct http_header *headers,
                            size_t count, struct arena *a)
{
    size_t len = method.len + target.len + sizeof "  HTTP/1.1\r\n\r\n" - 1;
    char *text;
    char *at;

    for (size_t i = 0; i < count; i++)
        len += headers[i].name.len + headers[i].value.len + sizeof ": \r\n" - 1;
    text = arena_alloc(a, len);
    at = put(text, method);
    *at++ = ' ';
    at = put(at, target);
    at = put(at, STR(" HTTP/1.1\r\n"));
    for (size_t i = 0; i < count; i++) {
        at = put(at, headers[i].name);
        *at++ = ':';
        *at++ = ' ';
        at = put(at, headers[i].value);
        *at++ = '\r';
        *at++ = '\n';
    }
    *at++ = '\r';
    *at++ = '\n';
    return str_from(text, len);
}

/* --- the end of a head -------------------------------------------------------------------- */

ptrdiff_t http1_scan_head(struct http1_scan *scan, const char *data, size_t len)
{
    static const char start[] = "HTTP/1.";
    size_t checked = len < sizeof start - 1 ? len : sizeof start - 1;

    if (scan->lines == 0 && memcmp(data, start, checked) != 0)
        return ERR_HTTP;
    while (scan->seen < len) {
        const char *lf = memchr(data + scan->seen, '\n', len - scan->seen);
        size_t line_len;

        if (!lf) {
            scan->seen = len;
            break;
        }
        line_len = (size_t)(lf - data) - scan->line_start;
        scan->seen = (size_t)(lf - data) + 1;
        if (line_len == 0 || (line_len == 1 && lf[-1] == '\r'))
            return scan->seen <= HTTP1_HEAD_MAX ? (ptrdiff_t)scan->seen : ERR_HTTP_HEADER_LIMIT;
        scan->line_start = scan->seen;
        if (++scan->lines > HTTP1_HEADERS_MAX + 1)
            return ERR_HTTP_HEADER_LIMIT;
    }
    return len < HTTP1_HEAD_MAX ? 0 : ERR_HTTP_HEADER_LIMIT;
}

/* --- heads -------------------------------------------------------------------------------- */

/* The lower case of each byte that may stand in a name, 0 for the others. */
static const char lower_of[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
    ['+'] = '+', ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`',   ['|'] = '|',
    ['~'] = '~', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',   ['5'] = '5',
    ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b',   ['C'] = 'c',
    ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i',   ['J'] = 'j',
    ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p',   ['Q'] = 'q',
    ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w',   ['X'] = 'x',
    ['Y'] = 'y', ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd',   ['e'] = 'e',
    ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k',   ['l'] = 'l',
    ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r',   ['s'] = 's',
    ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y',   ['z'] = 'z',
};

struct reader {
    char *at;
    char *end;
    struct http1_head *head;
    const char *why;
    uint64_t length;
    bool has_length;
    bool has_transfer_encoding;
    bool is_chunked;
    bool says_close;
    bool says_keep_alive;
};

static int refuse(struct reader *r, const char *why)
{
    r->why = why;
    return ERR_HTTP;
}

/* Where a run of text that starts at `at` ends: at a control character, tabs aside, of which the
 * line feed that http1_scan_head saw is one. Eight bytes at a time. */
static char *text_end(char *at, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = UINT64_C(0x8080808080808080);

    for (;; at++) {
        while (end - at >= 8) {
            uint64_t word;
            uint64_t del;
            uint64_t found;

            memcpy(&word, at, sizeof word);
            word = le64toh(word);
            del = word ^ (ones * 0x7f);
            /* The lowest bit that is set marks a byte below 32, or DEL; higher ones may err. */
            found = (((word - ones * 32) & ~word) | ((del - ones) & ~del)) & tops;
            if (found) {
                at += __builtin_ctzll(found) / 8;
                break;
            }
            at += 8;
        }
        if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f)
            return at;
    }
}

/* Reads a line's text and steps over its end. */
static int read_text(struct reader *r, struct str *out)
{
    char *end = text_end(r->at, r->end);

    *out = str_from(r->at, (size_t)(end - r->at));
    if (*end == '\r')
        end++;
    if (*end != '\n')
        return refuse(r, end[0] == '\0' ? "NUL in the head" : "control character in the head");
    r->at = end + 1;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; the reason, and the space before it, may be missing. */
static int read_status_line(struct reader *r)
{
    struct str line;
    int err = read_text(r, &line);
    const char *p = line.ptr;

    if (err)
        return err;
    if (line.len < 12 || memcmp(p, "HTTP/1.", 7) != 0 || !is_digit(p[7]) || p[8] != ' ')
        return refuse(r, "malformed HTTP response");
    if (!is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]) || p[9] == '0' ||
        (line.len > 12 && p[12] != ' '))
        return refuse(r, "malformed HTTP status code");
    r->head->minor = p[7] == '0' ? 0 : 1;
    r->head->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    r->head->status_text = str_trim(str_from_index(line, 9));
    return 0;
}

/* Reads a field's name and makes it canonical, up to the colon, which is stepped over. */
static int read_name(struct reader *r, struct str *out)
{
    char *start = r->at;
    char *at = start;
    bool is_first = true;
    char lower;

    while ((lower = lower_of[(unsigned char)*at]) != 0) {
        *at = is_first && lower >= 'a' && lower <= 'z' ? (char)(lower - 'a' + 'A') : lower;
        is_first = lower == '-';
        at++;
    }
    if (at == start)
        return refuse(r,
                      *at == ' ' || *at == '\t' ? "folded header line" : "malformed header line");
    if (*at != ':')
        return refuse(r, *at == ' ' || *at == '\t' ? "white space in a header name"
                                                   : "malformed header line");
    *out = str_from(start, (size_t)(at - start));
    r->at = at + 1;
    return 0;
}

static int read_length(struct reader *r, struct str value)
{
    uint64_t length;

    if (!str_to_u64(value, &length))
        return refuse(r, "bad Content-Length");
    if (r->has_length && r->length != length)
        return refuse(r, "conflicting Content-Length headers");
    r->has_length = true;
    r->length = length;
    return 0;
}

static int read_transfer_encoding(struct reader *r, struct str value)
{
    if (r->has_transfer_encoding)
        return refuse(r, "too many transfer encodings");
    r->has_transfer_encoding = true;
    r->is_chunked = str_eq_nocase(value, STR("chunked"));
    /* RFC 9112 6.1: an HTTP/1.0 server does not know of it. */
    if (!r->is_chunked && r->head->minor > 0)
        return refuse(r, "unsupported transfer encoding");
    return 0;
}

static bool is_name(const struct http_header *h, const char *name)
{
    return memcmp(h->name.ptr, name, h->name.len) == 0;
}

/* What a field means for the message itself. */
static int note_field(struct reader *r, const struct http_header *h)
{
    switch (h->name.len) {
    case 10:
        if (is_name(h, "Connection")) {
            r->says_close = r->says_close || header_has_token(h->value, STR("close"));
            r->says_keep_alive =
                r->says_keep_alive || header_has_token(h->value, STR("keep-alive"));
        } else if (is_name(h, "Set-Cookie")) {
            r->head->has_cookies = true;
        }
        return 0;
    case 14:
        return is_name(h, "Content-Length") ? read_length(r, h->value) : 0;
    case 16:
        if (is_name(h, "Content-Encoding"))
            r->head->has_encoding = true;
        return 0;
    case 17:
        return is_name(h, "Transfer-Encoding") ? read_transfer_encoding(r, h->value) : 0;
    default:
        return 0;
    }
}

static int read_field(struct reader *r, struct http_header *h)
{
    int err = read_name(r, &h->name);

    if (err)
        return err;
    while (*r->at == ' ' || *r->at == '\t')
        r->at++;
    err = read_text(r, &h->value);
    if (err)
        return err;
    while (h->value.len &&
           (h->value.ptr[h->value.len - 1] == ' ' || h->value.ptr[h->value.len - 1] == '\t'))
        h->value.len--;
    return note_field(r, h);
}

/* RFC 9112 6.3 and 9.3. */
static void decide(struct reader *r, bool is_head)
{
    struct http1_head *h = r->head;

    h->keep_alive = h->minor > 0 ? !r->says_close : r->says_keep_alive && !r->says_close;
    h->is_upgrade = h->status == 101;
    if (is_head || h->status < 200 || h->status == 204 || h->status == 304) {
        h->body = HTTP1_BODY_NONE;
    } else if (r->is_chunked && h->minor > 0) {
        h->body = HTTP1_BODY_CHUNKED;
        /* Both: somebody on the way may have counted by the other one. */
        h->keep_alive = h->keep_alive && !r->has_length;
    } else if (r->has_length && !r->has_transfer_encoding) {
        h->body = HTTP1_BODY_LENGTH;
        h->length = r->length;
    } else {
        h->body = HTTP1_BODY_UNTIL_CLOSE;
        h->keep_alive = false;
    }
}

int http1_parse_head(char *data, size_t len, size_t lines, bool is_head, struct arena *a,
                     struct http1_head *out, const char **why)
{
    struct http1_head head = {0};
    struct reader r = {.at = data, .end = data + len, .head = &head};
    int err = read_status_line(&r);

    if (err == 0 && lines > 1)
        head.headers = arena_alloc(a, (lines - 1) * sizeof *head.headers);
    for (size_t i = 1; err == 0 && i < lines; i++)
        err = read_field(&r, &head.headers[head.header_count++]);
    if (err) {
        *why = r.why;
        return err;
    }
    decide(&r, is_head);
    *out = head;
    return 0;
}

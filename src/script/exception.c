/* Exceptions for people: where, what, the line itself, the stack in k6's form.
 *
 * QuickJS writes a stack as lines of "    at f (file:///x.js:3:7)"; k6 writes "\tat f (...)", and
 * code outside of functions without a name: "\tat file:///x.js:3:7". */
#include <string.h>

#include "base/mem.h"
#include "script/internal.h"
#include "script/source_map.h"

enum { MAX_SOURCE_LINE = 200, MAX_FRAMES = 40 };

/* --- places ------------------------------------------------------------------------------- */

struct place {
    struct str url;
    int line;
    int column;
};

/* "file:///x.js:3:7" at the end of `text`; a trailing ')' is left out. */
static bool parse_place(struct str text, struct place *out)
{
    uint64_t numbers[2];

    text = str_trim(text);
    if (text.len > 0 && text.ptr[text.len - 1] == ')')
        text.len--;
    for (int i = 1; i >= 0; i--) {
        ptrdiff_t colon = str_rfind(text, ':');

        if (colon < 0 || !str_to_u64(str_from_index(text, (size_t)colon + 1), &numbers[i]))
            return false;
        text = str_slice(text, 0, (size_t)colon);
    }
    *out = (struct place){text, (int)numbers[0], (int)numbers[1]};
    return true;
}

/* From the place in what QuickJS compiled to that in the file that somebody wrote. Columns on the
 * first line of a CommonJS file are counted from our wrapper's beginning. */
static void restore(const struct script *script, struct place *place)
{
    const struct module *module = map_get(&script->modules, place->url);
    int prefix = (int)loader_cjs_prefix_len;
    struct source_place source;

    if (!module)
        return;
    if (place->line == 1 && place->column > prefix && module->kind == MODULE_CJS)
        place->column -= prefix;
    if (module->map && source_map_find(module->map, place->line, place->column, &source))
        *place = (struct place){source.url, source.line, source.column};
}

static void append_frame(const struct script *script, struct buf *out, struct str line)
{
    static const struct str at = STR_INIT("at ");
    struct str frame = str_trim(line);
    struct str name = {NULL, 0};
    struct place place;
    ptrdiff_t paren;

    if (frame.len == 0)
        return;
    if (str_starts_with(frame, at))
        frame = str_from_index(frame, at.len);
    paren = str_find_str(frame, STR(" ("));
    if (paren >= 0) {
        name = str_slice(frame, 0, (size_t)paren);
        frame = str_from_index(frame, (size_t)paren + 2);
        if (frame.len > 0)
            frame.len--;
    }
    if (str_eq_c(name, "<anonymous>") || str_eq_c(name, "<eval>"))
        name.len = 0;
    buf_append_c(out, "\tat ");
    if (name.len > 0) {
        buf_append_str(out, name);
        buf_append_c(out, " (");
    }
    if (parse_place(frame, &place)) {
        restore(script, &place);
        buf_printf(out, "%.*s:%d:%d", STR_ARG(place.url), place.line, place.column);
    } else {
        buf_append_str(out, frame);
    }
    buf_append_c(out, name.len > 0 ? ")\n" : "\n");
}

/* --- text --------------------------------------------------------------------------------- */

static void append_value(JSContext *ctx, struct buf *out, JSValueConst v)
{
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, v);

    if (text) {
        buf_append(out, text, len);
        JS_FreeCString(ctx, text);
        return;
    }
    JS_FreeValue(ctx, JS_GetException(ctx));
    buf_append_c(out, "an exception whose text could not be made");
}

/* The `stack` of an Error; NULL when it has none. */
static char *stack_of(JSContext *ctx, JSValueConst error)
{
    JSValue stack;
    char *text = NULL;

    if (!JS_IsError(ctx, error))
        return NULL;
    stack = JS_GetPropertyStr(ctx, error, "stack");
    if (JS_IsString(stack))
        text = host_strdup(ctx, stack);
    if (JS_IsException(stack) || (JS_IsString(stack) && !text))
        JS_FreeValue(ctx, JS_GetException(ctx));
    JS_FreeValue(ctx, stack);
    return text;
}

static void append_stack(JSContext *ctx, struct buf *out, const char *stack)
{
    struct str rest = str_of(stack);
    size_t frames = 0;

    while (rest.len > 0) {
        struct str line = str_cut(&rest, '\n');

        if (frames++ < MAX_FRAMES)
            append_frame(vu_of(ctx)->worker->script, out, line);
    }
    if (frames > MAX_FRAMES)
        buf_printf(out, "\t... %zu more\n", frames - MAX_FRAMES);
}

/* --- diagnostics -------------------------------------------------------------------------- */

/* Where a URL begins in a line of a stack; -1: nowhere. */
static ptrdiff_t find_url(struct str line)
{
    ptrdiff_t at = str_find_str(line, STR("://"));

    while (at > 0 && line.ptr[at - 1] >= 'a' && line.ptr[at - 1] <= 'z')
        at--;
    return at;
}

static bool first_place(struct vu *vu, const char *stack, struct place *out)
{
    struct str rest = str_of(stack);

    while (rest.len > 0) {
        struct str line = str_cut(&rest, '\n');
        ptrdiff_t url = find_url(line);

        if (url >= 0 && parse_place(str_from_index(line, (size_t)url), out)) {
            restore(vu->worker->script, out);
            return true;
        }
    }
    return false;
}

static struct str line_of(struct str text, int number)
{
    struct str line = {"", 0};

    for (int i = 0; i < number && text.ptr; i++)
        line = str_cut(&text, '\n');
    return line;
}

/* The line at the place; empty when it is not known. */
static struct str source_line(struct vu *vu, const struct place *place)
{
    const struct file *file;
    struct str line;

    if (files_get(vu->worker->script->files, place->url, true, &file, NULL) < 0)
        return STR("");
    line = line_of(str_from(file->data, file->len), place->line);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* The source line with a mark under the column. */
static void append_source(struct vu *vu, struct buf *out, const struct place *place)
{
    struct str line = source_line(vu, place);
    struct str shown;

    if (line.len == 0 || line.len > MAX_SOURCE_LINE || place->column < 1)
        return;
    shown = str_trim(line);
    buf_printf(out, "\n    %.*s\n    ", STR_ARG(shown));
    for (const char *at = shown.ptr; at < line.ptr + place->column - 1 && at < line.ptr + line.len;
         at++) {
        if (((unsigned char)*at & 0xC0) != 0x80)
            buf_append_char(out, *at == '\t' ? '\t' : ' ');
    }
    buf_append_char(out, '^');
}

static bool is_of_a_chain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._$", c));
}

/* Behind the parenthesis that closes the one at the beginning of `text`; 0: not on this line. */
static size_t closed_at(struct str text)
{
    size_t depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        depth += text.ptr[i] == '(';
        depth -= text.ptr[i] == ')';
        if (depth == 0)
            return i + 1;
    }
    return 0;
}

/* The name of what is called at `column` (from 1), where QuickJS puts a call: at its parenthesis,
 * or at `return` when nothing follows the call. Empty when that is no plain name. */
static struct str callee_at(struct str line, int column)
{
    static const struct str tail = STR_INIT("return ");
    size_t start = column < 1 ? line.len : (size_t)column - 1;
    size_t end = start;
    struct str rest;

    if (start >= line.len)
        return STR("");
    if (line.ptr[end] == '(') {
        while (start > 0 && is_of_a_chain(line.ptr[start - 1]))
            start--;
        return str_slice(line, start, end);
    }
    if (!str_starts_with(str_from_index(line, start), tail))
        return STR("");
    start += tail.len;
    for (end = start; end < line.len && is_of_a_chain(line.ptr[end]);)
        end++;
    rest = str_from_index(line, end);
    if (rest.len == 0 || rest.ptr[0] != '(' || closed_at(rest) == 0)
        return STR("");
    rest = str_trim(str_from_index(rest, closed_at(rest)));
    return rest.len == 0 || rest.ptr[0] == ';' || rest.ptr[0] == '}' ? str_slice(line, start, end)
                                                                     : STR("");
}

/* QuickJS says "not a function" without a name. */
static void name_callee(struct vu *vu, struct buf *out, const struct place *place)
{
    struct str name;

    if (!str_eq_c(buf_str(out), "TypeError: not a function"))
        return;
    name = callee_at(source_line(vu, place), place->column);
    if (name.len == 0)
        return;
    buf_reset(out);
    buf_printf(out, "TypeError: %.*s is not a function", STR_ARG(name));
}

/* What people stumble over who mix the two kinds of modules. */
static void append_hint(struct buf *out)
{
    if (str_eq_c(buf_str(out), "ReferenceError: 'module' is not defined") ||
        str_eq_c(buf_str(out), "ReferenceError: 'exports' is not defined"))
        buf_append_c(out, " (a file with import or export is an ES module, which has neither "
                          "`module` nor `exports`: use `export`)");
}

char *exception_text(JSContext *ctx, JSValueConst error)
{
    struct buf out = BUF_INIT(1024 * 1024);
    char *stack = stack_of(ctx, error);
    struct place place;

    append_value(ctx, &out, error);
    if (stack && first_place(vu_of(ctx), stack, &place))
        name_callee(vu_of(ctx), &out, &place);
    if (stack && *stack) {
        buf_append_char(&out, '\n');
        append_stack(ctx, &out, stack);
    }
    mem_free(stack);
    return buf_take(&out);
}

void exception_diag(struct vu *vu, struct diag *d)
{
    JSContext *ctx = vu->ctx;
    JSValue error = JS_GetException(ctx);
    struct buf out = BUF_INIT(1024 * 1024);
    struct place place = {{NULL, 0}, 0, 0};
    char *stack = stack_of(ctx, error);
    bool has_place = stack && first_place(vu, stack, &place);

    append_value(ctx, &out, error);
    if (has_place)
        name_callee(vu, &out, &place);
    if (vu->_private->account.limit_hit)
        buf_printf(&out, " (the VU has reached its memory limit of %zu bytes)",
                   vu->worker->script->memory_limit);
    append_hint(&out);
    if (has_place)
        append_source(vu, &out, &place);
    if (stack && *stack) {
        buf_append_char(&out, '\n');
        append_stack(ctx, &out, stack);
    }
    while (out.len > 0 && out.data[out.len - 1] == '\n')
        out.len--;
    diag_set(d, 0, "%.*s", (int)out.len, out.data);
    if (has_place) {
        char *path = str_dup(files_path(place.url));

        diag_at(d, path, place.line, place.column);
        mem_free(path);
    }
    buf_deinit(&out);
    mem_free(stack);
    JS_FreeValue(ctx, error);
}

/* Build-time tool: compiles the JavaScript parts of the host to bytecode, as C arrays.
 *
 *     embed OUTPUT.c part.js...
 *
 * A part is one function expression, (function (native) { ... }), strict. Bytecode is tied to the
 * QuickJS that made it, which is the one that gale links. */
#include <quickjs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(1 << 20);

    if (!file || !text) {
        perror(path);
        exit(1);
    }
    *len = fread(text, 1, (1 << 20) - 1, file);
    text[*len] = '\0';
    fclose(file);
    return text;
}

/* The file's name without folders and ".js". */
static void part_name(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');

    snprintf(out, size, "%s", slash ? slash + 1 : path);
    if (strchr(out, '.'))
        *strchr(out, '.') = '\0';
}

static int fail(JSContext *ctx, const char *path)
{
    JSValue error = JS_GetException(ctx);
    JSValue stack = JS_GetPropertyStr(ctx, error, "stack");
    const char *text = JS_ToCString(ctx, error);
    const char *where = JS_ToCString(ctx, stack);

    fprintf(stderr, "%s: %s\n%s\n", path, text ? text : "?", where ? where : "");
    return 1;
}

static int embed(JSContext *ctx, FILE *out, const char *path)
{
    size_t len;
    size_t size;
    char name[64];
    char file[80];
    char *text = read_file(path, &len);
    JSValue function;
    uint8_t *code;

    part_name(path, name, sizeof name);
    snprintf(file, sizeof file, "gale/%s.js", name);
    function = JS_Eval(ctx, text, len, file,
                       JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_STRICT | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(function))
        return fail(ctx, path);
    code = JS_WriteObject(ctx, &size, function, JS_WRITE_OBJ_BYTECODE);
    if (!code)
        return fail(ctx, path);
    fprintf(out, "\nstatic const uint8_t %s_code[] = {", name);
    for (size_t i = 0; i < size; i++)
        fprintf(out, "%s%u,", i % 24 == 0 ? "\n" : "", code[i]);
    fprintf(out, "\n};\nconst struct js_part js_part_%s = {\"%s\", %s_code, %zu};\n", name, name,
            name, size);
    js_free(ctx, code);
    JS_FreeValue(ctx, function);
    free(text);
    return 0;
}

int main(int argc, char **argv)
{
    JSRuntime *rt = JS_NewRuntime();
    JSContext *ctx = rt ? JS_NewContext(rt) : NULL;
    FILE *out = argc > 2 ? fopen(argv[1], "w") : NULL;
    int failed = 0;

    if (rt)
        JS_SetStripInfo(rt, JS_STRIP_SOURCE);
    if (!ctx || !out) {
        fprintf(stderr, "usage: embed OUTPUT.c part.js...\n");
        return 2;
    }
    fprintf(out, "/* Made by src/script/js/embed.c. */\n#include \"script/js_part.h\"\n");
    for (int i = 2; i < argc && !failed; i++)
        failed = embed(ctx, out, argv[i]);
    JS_FreeContext(ctx);
    JS_FreeRuntime(rt);
    if (fclose(out) != 0)
        failed = 1;
    return failed;
}

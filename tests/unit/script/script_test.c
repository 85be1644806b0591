#include "script/script.h"

#include "base/err.h"
#include "fixture.h"
#include "script/internal.h"
#include "support/test.h"

TEST(script_knows_options_functions_metrics_and_modules)
{
    struct script *s = open_text("import { sleep } from 'k6'; import { Trend } from 'k6/metrics';\n"
                                 "import * as again from 'k6';\n"
                                 "const t = new Trend('took', true);\n"
                                 "export const options = { vus: 3, tags: { a: 'b' } };\n"
                                 "export default function () {} export function other() {}\n"
                                 "export const value = 5;");
    const struct metric *took = metric_registry_find(script_metrics(s), STR("took"));

    CHECK_TEXT(script_options_json(s), "{\"vus\":3,\"tags\":{\"a\":\"b\"}}");
    CHECK(script_has_function(s, STR("default")) && script_has_function(s, STR("other")));
    CHECK(!script_has_function(s, STR("value")) && !script_has_function(s, STR("setup")));
    CHECK(script_has_any_function(s));
    CHECK(took && took->type == METRIC_TREND && took->contains == METRIC_TIME);
    CHECK_TEXT(script_builtins(s)[0], "k6");
    CHECK_TEXT(script_builtins(s)[1], "k6/metrics");
    CHECK(!script_builtins(s)[2]);
    CHECK_TEXT(script_url(s), MAIN_URL);
    script_free(s);
}

TEST(script_without_options_has_none)
{
    struct script *s = open_text("const x = 1;");

    CHECK_TEXT(script_options_json(s), "{}");
    CHECK(!script_has_any_function(s));
    script_free(s);
}

static void check_failure(const char *text, int line, int column, const char *part)
{
    struct diag d = DIAG_INIT;

    open_fails(text, &d);
    if (str_find_str(str_of(d.message), str_of(part)) < 0)
        test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", d.message, part);
    CHECK_EQ(d.line, line);
    CHECK_EQ(d.column, column);
    if (line > 0)
        CHECK_TEXT(d.file, "/t/main.js");
    diag_deinit(&d);
}

TEST(script_errors_have_a_place_and_the_line_itself)
{
    check_failure("const a = 1;\n  let b = ;\n", 2, 11, "SyntaxError");
    check_failure("const a = 1;\n  let b = ;\n", 2, 11, "let b = ;\n            ^");
    check_failure("export default 1;\n\tthrow new Error('é');", 2, 17, "Error: é");
    check_failure("export default 1;\nnull.x;", 2, 5,
                  "TypeError: cannot read property 'x' of null");
    check_failure("exports.a = 1; throw new Error('x');", 1, 31, "Error: x"); /* CommonJS, line 1 */
    check_failure("import x from 'nothing';", 1, 15, "unknown module \"nothing\"");
    check_failure("import { zz } from 'k6';", 1, 10, "Could not find export 'zz'");
    check_failure("throw 'text'; export default 1;", 0, 0, "text");
    check_failure("throw {}; export default 1;", 0, 0, "[object Object]");
    check_failure("export const options = 5;", 0, 0, "'options' must be an object");
    check_failure("export const options = { get vus() { throw new Error('no'); } };", 1, 53,
                  "'options' can't be read: Error: no");
    check_failure("const o = {}; o.o = o; export const options = o;", 0, 0, "circular");
    check_failure("throw { toString() { throw 1; } }; export default 1;", 0, 0,
                  "could not be made");
}

TEST(script_that_is_no_text_is_an_error)
{
    struct script_open how = {.url = MAIN_URL, .files = files_new(NULL)};
    struct script *s;
    struct diag d = DIAG_INIT;

    files_put(how.files, STR(MAIN_URL), STR("\0\1\2\377\376"), true);
    CHECK(script_open(&how, &s, &d) < 0);
    CHECK(d.message);
    diag_deinit(&d);
}

TEST(script_loads_a_tree_of_modules)
{
    struct script *s;
    size_t count = 0;

    script_file("file:///t/lib/a.js", "import { b } from './b.js'; export const a = () => b;");
    script_file("file:///t/lib/b.js",
                "import { a } from './a.js'; export const b = 2, c = () => a;");
    script_file("file:///t/c.js",
                "module.exports = { n: require('./d.json').n, k6: require('k6') };");
    script_file("file:///t/d.json", "{\"n\": 4}");
    s = open_text(
        "import { a } from './lib/a.js'; import c, { n } from './c.js';\n"
        "if (a() !== 2 || n !== 4 || c.n !== 4 || !c.k6.sleep) throw new Error('wrong');\n"
        "export default function () {}");
    for (struct map_entry *e = map_first(&s->modules); e; e = map_next(&s->modules, e))
        count++;
    CHECK_EQ(count, 5);
    CHECK_EQ(s->packed_count, 4); /* JSON has no code */
    script_free(s);
}

TEST(script_require_of_itself_and_of_what_throws)
{
    script_file("file:///t/a.js", "exports.early = 1; exports.b = require('./b.js').seen;");
    script_file("file:///t/b.js", "exports.seen = require('./a.js').early;");
    script_file("file:///t/bad.js",
                "throw new Error('bad ' + (globalThis.times = (globalThis.times || 0) + 1));");
    script_free(
        open_text("const a = require('./a.js'); const said = [];\n"
                  "for (let i = 0; i < 2; i++) { try { require('./bad.js'); } catch (e) { "
                  "said.push(e.message); } }\n"
                  "if (a.b !== 1 || said.join() !== 'bad 1,bad 2') throw new Error(said);"));
}

TEST(script_es_module_cannot_be_required_by_one)
{
    script_file("file:///t/a.js", "export const a = 1;");
    check_failure("export const x = require('./a.js');", 1, 25, "is an ES module: import it");
}

TEST(script_null_exports_are_an_error)
{
    script_file("file:///t/a.js", "module.exports = null;");
    check_failure("import a from './a.js';", 1, 15, "module.exports is null");
    script_file("file:///t/a.js", "module.exports = null;");
    check_failure("const a = require('./a.js');", 1, 18, "module.exports is null");
}

static JSMemoryUsage usage;

static void two_vus(struct bench *b)
{
    struct vu *one = bench_vu(b, 1);
    struct vu *two = bench_vu(b, 2);

    JS_ComputeMemoryUsage(two->rt, &usage);
    CHECK_EQ(bench_iterate(b, two, 1000), ITERATION_DONE);
    b->runner->ops->vu_free(one);
    b->runner->ops->vu_free(two);
}

/* The code of this function takes 60 KB. What a VU has of it is where its lines begin. */
TEST(script_bytecode_is_shared_by_the_vus)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    struct bench b;

    buf_append_c(&text, "export default function (x) { x = 0;\n");
    for (int i = 0; i < 5000; i++)
        buf_printf(&text, "x = x * %d + %d;\n", i, i * 7);
    buf_append_c(&text, "}");
    bench_run(&b, text.data, two_vus);
    bench_end(&b);
    CHECK(usage.js_func_count >= 2);
    CHECK(usage.js_func_size - usage.js_func_pc2line_size < 4096);
    buf_deinit(&text);
}

TEST(script_vu_is_small)
{
    struct bench b;

    bench_run(&b, "export default function () {}", two_vus);
    bench_end(&b);
    CHECK(usage.malloc_size < 80 * 1024);
}

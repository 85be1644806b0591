/* crypto.subtle's long computations: off the thread, ended with the iteration. */
#include "base/mem.h"
#include "fixture.h"
#include "loop/offload.h"
#include "script/internal.h"
#include "support/test.h"

static const char *const prologue =
    "const s = crypto.subtle, rsa = (bits) => s.generateKey({ name: 'RSA-PSS', hash: 'SHA-256', "
    "modulusLength: bits, publicExponent: new Uint8Array([1, 0, 1]) }, false, ['sign']);\n";

static void run_late(struct bench *b)
{
    struct vu *vu = bench_vu(b, 1);

    CHECK_EQ(bench_iterate(b, vu, 30), ITERATION_INTERRUPTED);
    CHECK(!vu->_private->works);
    CHECK_EQ(vu->_private->work_bytes, 0u);
    CHECK_EQ(bench_iterate(b, vu, 30), ITERATION_INTERRUPTED);
    b->runner->ops->vu_free(vu);
}

static void check_interrupted(const char *body)
{
    char *text = mem_printf("%s%s", prologue, body);
    struct bench b;

    bench_run(&b, text, run_late);
    bench_end(&b);
    mem_free(text);
    offload_shutdown();
}

/* Keys of that size take minutes: the test ends because they are given up. */
TEST(crypto_ends_with_its_iteration)
{
    check_interrupted("export default async function () { await rsa(16384); }");
    check_interrupted("export default async function () { await Promise.all("
                      "Array.from({ length: 50 }, () => rsa(16384))); }");
    check_interrupted("export default async function () { for (;;) { try { await rsa(16384); } "
                      "catch (e) {} } }");
    check_interrupted("export default async function () { const f = () => rsa(16384).then(f, f); "
                      "f(); rsa(2048).then(f, f); for (;;) await null; }");
}

static void run_once(struct bench *b)
{
    struct vu *vu = bench_vu(b, 1);

    CHECK_EQ(bench_iterate(b, vu, 30 * 1000), ITERATION_DONE);
    CHECK(!vu->_private->works);
    b->runner->ops->vu_free(vu);
}

/* More than may wait: the script itself waits where it starts one more. */
TEST(crypto_bounds_what_waits)
{
    struct bench b;

    bench_run(&b,
              "import { Counter } from 'k6/metrics'; const c = new Counter('right');\n"
              "const s = crypto.subtle;\n"
              "export default async function () {\n"
              "  const key = await s.importKey('raw', new Uint8Array(5), 'PBKDF2', false, "
              "['deriveBits']);\n"
              "  const one = (i) => s.deriveBits({ name: 'PBKDF2', hash: 'SHA-1', iterations: 501, "
              "salt: new Uint8Array([i, i >> 8]) }, key, 16);\n"
              "  const all = await Promise.all(Array.from({ length: 1500 }, (_, i) => one(i)));\n"
              "  const big = new Uint8Array(20 << 20);\n"
              "  const sums = await Promise.all([1, 2, 3, 4, 5, 6].map((i) => { big[0] = i; "
              "return s.digest('SHA-256', big); }));\n"
              "  if (new Set(sums.map((x) => new Uint8Array(x)[0])).size > 3) c.add(all.length);\n"
              "}",
              run_once);
    CHECK_EQ(bench_sum(&b, "right", NULL, NULL), 1500);
    bench_end(&b);
    offload_shutdown();
}

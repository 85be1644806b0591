#include "proto/compress.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "support/test.h"

static struct compress_chain chain_of(const char *list)
{
    struct compress_chain chain;

    CHECK_EQ(compress_chain_parse(str_of(list), &chain, NULL), 0);
    return chain;
}

static const char *const every_chain[] = {
    "gzip", "deflate", "br", "zstd", "gzip, br", "zstd,deflate", "br, gzip, zstd, deflate",
};

static void check_round(const char *list, struct str text)
{
    struct compress_chain chain = chain_of(list);
    struct buf packed = BUF_INIT(SIZE_MAX);
    struct buf plain = BUF_INIT(chain.count == 1 ? text.len : text.len + 1000);

    CHECK_EQ(compress_encode(&chain, text, &packed), 0);
    CHECK(packed.len > 0);
    /* The bound is exact: as much as there is fits, a byte less does not. */
    CHECK_EQ(compress_decode(&chain, buf_str(&packed), &plain), 0);
    CHECK(str_eq(buf_str(&plain), text));
    buf_deinit(&plain);
    if (chain.count == 1 && text.len > 0) {
        buf_init(&plain, text.len - 1);
        CHECK_EQ(compress_decode(&chain, buf_str(&packed), &plain), ERR_LIMIT);
        buf_deinit(&plain);
    }
    buf_deinit(&packed);
}

TEST(compress_undoes_what_it_does)
{
    size_t size = 300 * 1000;
    char *noise = mem_alloc(size);
    struct rng rng;

    rng_seed(&rng, 1);
    for (size_t i = 0; i < size; i++)
        noise[i] = (char)rng_below(&rng, 256);
    for (size_t i = 0; i < COUNT_OF(every_chain); i++) {
        check_round(every_chain[i], STR("hello hello hello hello"));
        check_round(every_chain[i], STR("x"));
    }
    for (size_t i = 0; i < 4; i++)
        check_round(every_chain[i], str_from(noise, size));
    memset(noise, 'a', size);
    for (size_t i = 0; i < 4; i++)
        check_round(every_chain[i], str_from(noise, size));
    mem_free(noise);
}

TEST(compress_refuses_what_is_broken_or_cut_off)
{
    struct buf packed = BUF_INIT(SIZE_MAX);
    struct buf plain = BUF_INIT(1000);

    for (size_t i = 0; i < 4; i++) {
        struct compress_chain chain = chain_of(every_chain[i]);

        buf_reset(&packed);
        CHECK_EQ(compress_encode(&chain, STR("hello hello hello world"), &packed), 0);
        for (size_t len = 1; len < packed.len; len++) {
            char *copy = mem_dup(packed.data, len);

            buf_reset(&plain);
            CHECK_EQ(compress_decode(&chain, str_from(copy, len), &plain), ERR_DECOMPRESS);
            mem_free(copy);
        }
        buf_reset(&plain);
        CHECK_EQ(compress_decode(&chain, STR("\xff\xff\xff\xff this is none"), &plain),
                 ERR_DECOMPRESS);
        /* An empty body needs no coding. */
        buf_reset(&plain);
        CHECK_EQ(compress_decode(&chain, STR(""), &plain), 0);
        CHECK_EQ(plain.len, 0);
    }
    buf_deinit(&packed);
    buf_deinit(&plain);
}

/* A million zeros, twice packed: the bound holds for each step. */
TEST(compress_bounds_a_bomb)
{
    size_t size = 50 * 1000 * 1000;
    char *zeros = mem_zalloc(size);

    for (size_t i = 0; i < 4; i++) {
        struct compress_chain once = chain_of(every_chain[i]);
        struct compress_chain twice = once;
        struct buf packed = BUF_INIT(SIZE_MAX);
        struct buf plain = BUF_INIT(100 * 1000);

        CHECK_EQ(compress_encode(&once, str_from(zeros, size), &packed), 0);
        CHECK(packed.len < size / 500);
        CHECK_EQ(compress_decode(&once, buf_str(&packed), &plain), ERR_LIMIT);
        CHECK(plain.len <= 100 * 1000);
        buf_reset(&packed);
        twice.kinds[twice.count++] = COMPRESS_GZIP;
        CHECK_EQ(compress_encode(&twice, str_from(zeros, size), &packed), 0);
        buf_reset(&plain);
        CHECK_EQ(compress_decode(&twice, buf_str(&packed), &plain), ERR_LIMIT);
        buf_deinit(&packed);
        buf_deinit(&plain);
    }
    mem_free(zeros);
}

TEST(compress_reads_raw_deflate_and_many_gzip_members)
{
    static const unsigned char raw[] = {0x4b, 0x4c, 0x4a, 0x06, 0x00}; /* "abc" */
    struct compress_chain gzip = chain_of("gzip");
    struct compress_chain deflate = chain_of("deflate");
    struct buf packed = BUF_INIT(SIZE_MAX);
    struct buf plain = BUF_INIT(100);

    CHECK_EQ(compress_decode(&deflate, str_from((const char *)raw, sizeof raw), &plain), 0);
    CHECK_TEXT(plain.data, "abc");
    CHECK_EQ(compress_encode(&gzip, STR("one,"), &packed), 0);
    CHECK_EQ(compress_encode(&gzip, STR("two"), &packed), 0);
    buf_reset(&plain);
    CHECK_EQ(compress_decode(&gzip, buf_str(&packed), &plain), 0);
    CHECK_TEXT(plain.data, "one,two");
    buf_deinit(&packed);
    buf_deinit(&plain);
}

TEST(compress_knows_lists_of_names)
{
    struct compress_chain chain;
    struct str unknown = {NULL, 0};

    chain = chain_of(" GZIP ,identity,, x-gzip,br");
    CHECK_EQ(chain.count, 3);
    CHECK_EQ(chain.kinds[0], COMPRESS_GZIP);
    CHECK_EQ(chain.kinds[1], COMPRESS_GZIP);
    CHECK_EQ(chain.kinds[2], COMPRESS_BR);
    CHECK_EQ(chain_of("").count, 0);
    CHECK_EQ(compress_chain_parse(STR("gzip, lzma"), &chain, &unknown), ERR_UNSUPPORTED);
    CHECK(str_eq_c(unknown, "lzma"));
    CHECK_EQ(compress_chain_parse(STR("br,br,br,br,br,br,br,br,br"), &chain, NULL),
             ERR_UNSUPPORTED);
    CHECK_TEXT(compress_name(COMPRESS_ZSTD), "zstd");
}

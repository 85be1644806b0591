/* What a fuzz target needs whose subject parks: a loop, and one fiber on it for each input. */
#ifndef FUZZ_ON_FIBER_H
#define FUZZ_ON_FIBER_H

#include <stddef.h>
#include <stdint.h>

#include "base/ensure.h"
#include "loop/fiber.h"
#include "loop/loop.h"

struct fuzz_input {
    const uint8_t *data;
    size_t size;
};

static inline void fuzz_stop(void *arg)
{
    loop_stop(arg);
}

/* Calls fn(input) on a fiber and returns when that one and all that it started have ended: what
 * outlives its input hangs here, which libFuzzer and ctest notice. */
static inline void fuzz_on_fiber(const uint8_t *data, size_t size, void (*fn)(void *input))
{
    struct fuzz_input input = {data, size};
    struct loop *loop;

    ensure(loop_new(&loop) == 0);
    fiber_start(loop, fn, &input);
    loop_when_quiet(loop, fuzz_stop, loop);
    loop_run(loop);
    loop_free(loop);
}

#endif

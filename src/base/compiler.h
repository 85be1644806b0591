/* Names for what the compiler can check or do for us. */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Marks a function that may park the calling fiber (loop/fiber.h): while it does, other fibers of
 * the worker run, and any state of the worker may change. */
#define YIELDS

/* 128-bit products and sums, where 64 bits would overflow before a division brings them back. */
__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

/* The struct of type `type` whose field `field` `ptr` points to. */
#define CONTAINER_OF(ptr, type, field) ((type *)(void *)((char *)(ptr)-offsetof(type, field)))

#endif

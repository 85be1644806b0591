/* The log: lines with a level, a message and fields, in k6's formats.
 *
 *   text   time="2026-11-23T20:13:53Z" level=error msg="..." source=console
 *          on a terminal: INFO[0001] message                 source=console
 *   json   {"level":"info","msg":"...","source":"console","time":"..."}
 *   raw    the message alone
 *
 * One log per process, set up once by cli before threads start. Any thread may write; a line is one
 * write(2). Libraries (base, loop, metrics, net, proto) never log: they return errors.
 *
 * Source of the formats: k6-features.md FLG-05, FLG-06, FLG-11. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON, LOG_RAW };

struct log_options {
    enum log_level level;
    enum log_format format;
    bool color;              /* the terminal form, coloured */
    const char *output;      /* "stderr" (NULL), "stdout", "none", "file=PATH[,level=LEVEL]" */
    const char *console_out; /* NULL, or the file that console.* goes to (--console-output) */
};

/* Opens the outputs; on an error nothing has changed and `d` says why. */
MUST_USE
int log_setup(const struct log_options *options, struct diag *d);
void log_teardown(void); /* flushes and closes files */

bool log_is_on(enum log_level level);

/* One line. `log_field` adds key=value pairs: log_msg(LOG_WARN, "msg", "source", "console", NULL).
 * The pairs are C strings and end with NULL. */
void log_msg(enum log_level level, struct str message, ...) __attribute__((sentinel));
void log_printf(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A line of a script's console.*: as log_msg with source=console, or to --console-output. */
void log_console(enum log_level level, struct str message);

/* Text that log lines must not show (a secret): replaced by "***SECRET_REDACTED***" from now on
 * (k6-features.md SEC-06). Copied; empty text is ignored. */
void log_redact(struct str secret);

/* Called by whoever draws over the last lines of the terminal: `hide` runs before a line is written
 * to a terminal and `show` after it, both under the log's lock. NULL: nobody draws. */
void log_set_overlay(void (*hide)(void *arg), void (*show)(void *arg), void *arg);
/* Draws anew: hide, update, which may change what show draws, and show, with no line in between.
 * Nothing happens while nobody draws. */
void log_update_overlay(void (*update)(void *arg));

/* A line that was kept for somebody far away: the message and then its fields, secrets redacted. */
struct log_line {
    int64_t wall_nsec;
    enum log_level level;
    char *text; /* owned */
};
struct log_kept {
    struct log_line *lines;
    size_t count;
    uint64_t dropped; /* lines past the bounds */
};
/* From now on keeps lines between two takes, at most so many and so long together; 0 ends it. */
void log_keep(size_t max_lines, size_t max_bytes);
void log_take_kept(struct log_kept *out); /* the caller's: log_kept_deinit */
void log_kept_deinit(struct log_kept *kept);

/* Call-site limits, for events that a million VUs have alike.
 *     static struct log_limit limit; */
enum { LOG_BURST = 20 };
struct log_limit {
    _Atomic long long _second;
    _Atomic unsigned _passed;           /* in that second */
    _Atomic unsigned _texts[LOG_BURST]; /* hashes of what passed: the same again does not */
    _Atomic unsigned _held;
    _Atomic bool _is_listed; /* among those that log_say_held looks at */
    struct log_limit *_next;
    enum log_level _level;
    struct str _message;
};

/* What comes again and again on its own: the first in a second passes, the rest are counted and
 * said with the next second's first. */
void log_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* What a script's author wants to see one by one: as log_msg, of which LOG_BURST in a second pass,
 * each once. The next line has the number of those that did not as its field held_back. `message`
 * is a text that stays. */
void log_burst(struct log_limit *limit, enum log_level level, struct str message, ...)
    __attribute__((sentinel));
/* Says now what log_burst has held back: for the end of a run. */
void log_say_held(void);

#endif

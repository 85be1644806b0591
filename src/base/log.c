/* One mutex guards the outputs and the list of secrets; a line is built outside it, and written in
 * one call. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

/* Escaped, a byte of a message may take six. */
enum {
    MESSAGE_MAX_BYTES = 1024 * 1024,
    LINE_MAX_BYTES = 8 * MESSAGE_MAX_BYTES,
    FIELDS_MAX = 16,
    MESSAGE_PAD = 44
};

struct target {
    int fd;
    bool is_file; /* ours to close */
    bool is_terminal;
};

struct field {
    struct str key;
    struct str value;
};

static struct {
    pthread_mutex_t lock;
    atomic_int level;
    enum log_format format;
    bool color;
    struct target out;
    struct target console; /* fd -1: console goes where the rest goes */
    int64_t start_nsec;
    char **secrets;
    size_t secret_count;
    void (*hide)(void *arg);
    void (*show)(void *arg);
    void *overlay_arg;
    struct log_kept kept;
    size_t kept_bytes;
    size_t keep_lines; /* 0: none are kept */
    size_t keep_bytes;
    struct log_limit *limits; /* those that have held lines back; they only come */
} state = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .level = LOG_INFO,
    .out = {STDERR_FILENO, false, false},
    .console = {-1, false, false},
};

static const struct {
    const char *name;
    const char *brief;
    const char *color;
} levels[] = {
    [LOG_ERROR] = {"error", "ERRO", "\x1b[31m"},
    [LOG_WARN] = {"warning", "WARN", "\x1b[33m"},
    [LOG_INFO] = {"info", "INFO", "\x1b[36m"},
    [LOG_DEBUG] = {"debug", "DEBU", "\x1b[37m"},
};

/* --- set-up ------------------------------------------------------------------------------- */

static int open_file(struct str path, struct target *out, struct diag *d)
{
    char *name = str_dup(path);
    int fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int err = -errno;

    if (fd < 0)
        diag_set(d, err, "can't open log file '%s': %s", name, err_text(err));
    else
        *out = (struct target){fd, true, false};
    mem_free(name);
    return fd < 0 ? err : 0;
}

static int level_from_name(struct str name, enum log_level *out)
{
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        if (str_eq_c(name, levels[i].name)) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    if (str_eq_c(name, "warn")) {
        *out = LOG_WARN;
        return 0;
    }
    return ERR_INVALID;
}

/* "PATH[,level=LEVEL]" */
static int open_file_option(struct str spec, struct target *out, enum log_level *level,
                            struct diag *d)
{
    struct str path = str_cut(&spec, ',');

    while (spec.len > 0) {
        struct str value = str_cut(&spec, ',');
        struct str key = str_cut(&value, '=');

        if (!str_eq_c(key, "level"))
            return diag_set(d, ERR_INVALID, "unknown key '%.*s' in --log-output=file=: use level",
                            STR_ARG(key));
        if (level_from_name(value, level))
            return diag_set(d, ERR_INVALID,
                            "unknown log level '%.*s': use error, warning, info or debug",
                            STR_ARG(value));
    }
    return open_file(path, out, d);
}

static int open_output(const char *spec, struct target *out, enum log_level *level, struct diag *d)
{
    struct str s = str_of(spec ? spec : "stderr");
    struct str file = STR("file=");

    if (str_eq_c(s, "stderr"))
        *out = (struct target){STDERR_FILENO, false, isatty(STDERR_FILENO) == 1};
    else if (str_eq_c(s, "stdout"))
        *out = (struct target){STDOUT_FILENO, false, isatty(STDOUT_FILENO) == 1};
    else if (str_eq_c(s, "none"))
        *out = (struct target){-1, false, false};
    else if (str_starts_with(s, file))
        return open_file_option(str_from_index(s, file.len), out, level, d);
    else
        return diag_set(d, ERR_INVALID,
                        "unknown log output '%s': use stderr, stdout, none or file=PATH", spec);
    return 0;
}

static void close_target(struct target *target)
{
    if (target->is_file)
        close(target->fd);
}

int log_setup(const struct log_options *options, struct diag *d)
{
    struct target out = {-1, false, false};
    struct target console = {-1, false, false};
    enum log_level level = options->level;
    int err = open_output(options->output, &out, &level, d);

    if (err)
        return err;
    if (options->console_out) {
        err = open_file(str_of(options->console_out), &console, d);
        if (err) {
            close_target(&out);
            return err;
        }
    }
    log_teardown();
    atomic_store(&state.level, (int)level);
    state.format = options->format;
    state.color = options->color;
    state.out = out;
    state.console = console;
    state.start_nsec = clock_now();
    return 0;
}

void log_teardown(void)
{
    close_target(&state.out);
    close_target(&state.console);
    state.out = (struct target){STDERR_FILENO, false, false};
    state.console = (struct target){-1, false, false};
    for (size_t i = 0; i < state.secret_count; i++)
        mem_free(state.secrets[i]);
    mem_free(state.secrets);
    state.secrets = NULL;
    state.secret_count = 0;
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&state.level, memory_order_relaxed);
}

void log_set_overlay(void (*hide)(void *arg), void (*show)(void *arg), void *arg)
{
    pthread_mutex_lock(&state.lock);
    state.hide = hide;
    state.show = show;
    state.overlay_arg = arg;
    pthread_mutex_unlock(&state.lock);
}

void log_update_overlay(void (*update)(void *arg))
{
    pthread_mutex_lock(&state.lock);
    if (state.hide) {
        state.hide(state.overlay_arg);
        update(state.overlay_arg);
        state.show(state.overlay_arg);
    }
    pthread_mutex_unlock(&state.lock);
}

/* --- lines -------------------------------------------------------------------------------- */

static bool needs_quotes(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("-._/@^+", c));

        if (!plain)
            return true;
    }
    return s.len == 0;
}

/* Quoted with the escapes that JSON and Go's %q share. */
static void put_quoted(struct buf *line, struct str s)
{
    buf_append_char(line, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c == '"' || c == '\\')
            buf_printf(line, "\\%c", c);
        else if (c == '\n')
            buf_append_c(line, "\\n");
        else if (c == '\t')
            buf_append_c(line, "\\t");
        else if (c == '\r')
            buf_append_c(line, "\\r");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(line, "\\u%04x", c);
        else
            buf_append_char(line, (char)c);
    }
    buf_append_char(line, '"');
}

/* The longest first: one may be a part of another. */
static void add_secret(struct str secret)
{
    size_t at = 0;

    while (at < state.secret_count && strlen(state.secrets[at]) >= secret.len) {
        if (str_eq_c(secret, state.secrets[at++]))
            return;
    }
    state.secrets = mem_reallocarray(state.secrets, state.secret_count + 1, sizeof *state.secrets);
    memmove(state.secrets + at + 1, state.secrets + at,
            (state.secret_count - at) * sizeof *state.secrets);
    state.secrets[at] = str_dup(secret);
    state.secret_count++;
}

void log_redact(struct str secret)
{
    struct buf quoted = BUF_INIT(SIZE_MAX);

    if (secret.len == 0)
        return;
    put_quoted(&quoted, secret); /* as it is within JSON that a script logs */
    pthread_mutex_lock(&state.lock);
    add_secret(secret);
    add_secret(str_slice(buf_str(&quoted), 1, quoted.len - 1));
    pthread_mutex_unlock(&state.lock);
    buf_deinit(&quoted);
}

/* Replaces the secrets in `*s`; the new text is in `clean`, which the caller frees. */
static void redact(struct str *s, struct buf *clean)
{
    for (size_t i = 0; i < state.secret_count; i++) {
        struct str secret = str_of(state.secrets[i]);
        struct buf out = BUF_INIT(SIZE_MAX);
        struct str rest = *s;
        ptrdiff_t at;

        if (str_find_str(rest, secret) < 0)
            continue;
        while ((at = str_find_str(rest, secret)) >= 0) {
            buf_append(&out, rest.ptr, (size_t)at);
            buf_append_c(&out, "***SECRET_REDACTED***");
            rest = str_from_index(rest, (size_t)at + secret.len);
        }
        buf_append_str(&out, rest);
        buf_deinit(clean);
        *clean = out;
        *s = buf_str(clean);
    }
}

static void put_value(struct buf *line, struct str s)
{
    if (needs_quotes(s))
        put_quoted(line, s);
    else
        buf_append_str(line, s);
}

static void put_text(struct buf *line, enum log_level level, struct str message,
                     const struct field *fields, size_t count)
{
    char time[40];

    clock_rfc3339(clock_wall(), 0, time, sizeof time);
    buf_printf(line, "time=\"%s\" level=%s msg=", time, levels[level].name);
    put_value(line, message);
    for (size_t i = 0; i < count; i++) {
        buf_printf(line, " %.*s=", STR_ARG(fields[i].key));
        put_value(line, fields[i].value);
    }
}

static void put_terminal(struct buf *line, enum log_level level, struct str message,
                         const struct field *fields, size_t count)
{
    int64_t seconds = (clock_now() - state.start_nsec) / NSEC_PER_SEC;
    const char *color = state.color ? levels[level].color : "";
    const char *plain = state.color ? "\x1b[0m" : "";

    buf_printf(line, "%s%s%s[%04lld] %.*s", color, levels[level].brief, plain, (long long)seconds,
               STR_ARG(message));
    for (size_t pad = message.len; pad < MESSAGE_PAD && count > 0; pad++)
        buf_append_char(line, ' ');
    for (size_t i = 0; i < count; i++) {
        buf_printf(line, " %s%.*s%s=", color, STR_ARG(fields[i].key), plain);
        put_value(line, fields[i].value);
    }
}

static void put_json(struct buf *line, enum log_level level, struct str message,
                     const struct field *fields, size_t count)
{
    char time[40];

    buf_printf(line, "{\"level\":\"%s\",\"msg\":", levels[level].name);
    put_quoted(line, message);
    for (size_t i = 0; i < count; i++) {
        buf_append_char(line, ',');
        put_quoted(line, fields[i].key);
        buf_append_char(line, ':');
        put_quoted(line, fields[i].value);
    }
    clock_rfc3339(clock_wall(), 0, time, sizeof time);
    buf_printf(line, ",\"time\":\"%s\"}", time);
}

static void write_all(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t put = write(fd, text.ptr, text.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return; /* nowhere left to say that the log is full */
        text = str_from_index(text, (size_t)put);
    }
}

/* Before the line is built: quotes and cuts would hide parts of a secret from the search. */
static void redact_all(struct str *message, struct field *fields, size_t count, struct buf *clean)
{
    pthread_mutex_lock(&state.lock);
    redact(message, &clean[0]);
    for (size_t i = 0; i < count; i++)
        redact(&fields[i].value, &clean[i + 1]);
    pthread_mutex_unlock(&state.lock);
}

/* Under the lock. */
static void keep(enum log_level level, struct str message, const struct field *fields, size_t count)
{
    struct log_kept *kept = &state.kept;
    struct buf text = BUF_INIT(LINE_MAX_BYTES);

    if (kept->count == state.keep_lines || state.kept_bytes + message.len > state.keep_bytes) {
        kept->dropped++;
        return;
    }
    buf_append_str(&text, message);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&text, " %.*s=", STR_ARG(fields[i].key));
        put_value(&text, fields[i].value);
    }
    if (!kept->lines)
        kept->lines = mem_calloc(state.keep_lines, sizeof *kept->lines);
    state.kept_bytes += text.len;
    kept->lines[kept->count++] = (struct log_line){clock_wall(), level, str_dup(buf_str(&text))};
    buf_deinit(&text);
}

void log_keep(size_t max_lines, size_t max_bytes)
{
    struct log_kept old;

    log_take_kept(&old);
    log_kept_deinit(&old);
    pthread_mutex_lock(&state.lock);
    state.keep_lines = max_lines;
    state.keep_bytes = max_bytes;
    pthread_mutex_unlock(&state.lock);
}

void log_take_kept(struct log_kept *out)
{
    pthread_mutex_lock(&state.lock);
    *out = state.kept;
    state.kept = (struct log_kept){0};
    state.kept_bytes = 0;
    pthread_mutex_unlock(&state.lock);
}

void log_kept_deinit(struct log_kept *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        mem_free(kept->lines[i].text);
    mem_free(kept->lines);
    *kept = (struct log_kept){0};
}

/* Too long a message, shortened between two characters; heap. */
static char *shorten(struct str message)
{
    size_t len = MESSAGE_MAX_BYTES;

    while (len > 0 && ((unsigned char)message.ptr[len] & 0xc0) == 0x80)
        len--;
    return mem_printf("%.*s ... (cut here: a line has 1 MB at most)", (int)len, message.ptr);
}

static void emit(const struct target *target, enum log_level level, struct str message,
                 struct field *fields, size_t count)
{
    struct buf line = BUF_INIT(LINE_MAX_BYTES);
    struct buf clean[FIELDS_MAX + 1] = {0};
    char *shorter = NULL;
    bool overlay;

    if (target->fd < 0 && state.keep_lines == 0)
        return;
    redact_all(&message, fields, count, clean);
    if (message.len > MESSAGE_MAX_BYTES) {
        shorter = shorten(message);
        message = str_of(shorter);
    }
    if (state.format == LOG_RAW)
        buf_append_str(&line, message);
    else if (state.format == LOG_JSON)
        put_json(&line, level, message, fields, count);
    else if (target->is_terminal)
        put_terminal(&line, level, message, fields, count);
    else
        put_text(&line, level, message, fields, count);
    buf_append_char(&line, '\n');

    pthread_mutex_lock(&state.lock);
    if (state.keep_lines > 0)
        keep(level, message, fields, count);
    overlay = target->is_terminal && state.hide;
    if (overlay)
        state.hide(state.overlay_arg);
    write_all(target->fd, buf_str(&line));
    if (overlay)
        state.show(state.overlay_arg);
    pthread_mutex_unlock(&state.lock);
    buf_deinit(&line);
    mem_free(shorter);
    for (size_t i = 0; i <= count; i++)
        buf_deinit(&clean[i]);
}

static size_t take_fields(struct field *fields, va_list args)
{
    const char *key;
    size_t count = 0;

    while (count < FIELDS_MAX && (key = va_arg(args, const char *))) {
        const char *value = va_arg(args, const char *);

        fields[count++] = (struct field){str_of(key), str_of(value ? value : "")};
    }
    return count;
}

void log_msg(enum log_level level, struct str message, ...)
{
    struct field fields[FIELDS_MAX];
    size_t count;
    va_list args;

    if (!log_is_on(level))
        return;
    va_start(args, message);
    count = take_fields(fields, args);
    va_end(args);
    emit(&state.out, level, message, fields, count);
}

void log_printf(enum log_level level, const char *fmt, ...)
{
    char *text;
    va_list args;

    if (!log_is_on(level))
        return;
    va_start(args, fmt);
    text = mem_vprintf(fmt, args);
    va_end(args);
    emit(&state.out, level, str_of(text), NULL, 0);
    mem_free(text);
}

void log_console(enum log_level level, struct str message)
{
    struct field source = {STR("source"), STR("console")};

    if (log_is_on(level))
        emit(state.console.fd >= 0 ? &state.console : &state.out, level, message, &source, 1);
}

/* Whether one more line of this second passes, of `burst` with different texts (their hashes);
 * *held is how many did not since one last did. */
static bool admit(struct log_limit *limit, unsigned burst, unsigned text, unsigned *held)
{
    long long second = clock_now() / NSEC_PER_SEC + 1;
    unsigned passed;

    if (atomic_exchange(&limit->_second, second) != second)
        atomic_store(&limit->_passed, 0);
    passed = atomic_load(&limit->_passed);
    for (unsigned i = 0; i < passed && i < burst; i++) {
        if (atomic_load(&limit->_texts[i]) == text)
            passed = burst;
    }
    if (passed < burst)
        passed = atomic_fetch_add(&limit->_passed, 1); /* others may have been quicker */
    if (passed >= burst) {
        atomic_fetch_add(&limit->_held, 1);
        return false;
    }
    atomic_store(&limit->_texts[passed], text);
    *held = atomic_exchange(&limit->_held, 0);
    return true;
}

void log_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
{
    unsigned held;
    char *text;
    char *line = NULL;
    va_list args;

    if (!log_is_on(level) || !admit(limit, 1, 0, &held))
        return;
    va_start(args, fmt);
    text = mem_vprintf(fmt, args);
    va_end(args);
    if (held > 0)
        line = mem_printf("%s (and %u more like it in the second before)", text, held);
    emit(&state.out, level, str_of(line ? line : text), NULL, 0);
    mem_free(line);
    mem_free(text);
}

/* FNV-1a. */
static unsigned hash_fields(const struct field *fields, size_t count)
{
    unsigned hash = 2166136261u;

    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < fields[i].value.len; at++)
            hash = (hash ^ (unsigned char)fields[i].value.ptr[at]) * 16777619u;
    }
    return hash;
}

/* Makes log_say_held see it. */
static void list_limit(struct log_limit *limit, enum log_level level, struct str message)
{
    if (atomic_exchange(&limit->_is_listed, true))
        return;
    limit->_level = level;
    limit->_message = message;
    pthread_mutex_lock(&state.lock);
    limit->_next = state.limits;
    state.limits = limit;
    pthread_mutex_unlock(&state.lock);
}

void log_burst(struct log_limit *limit, enum log_level level, struct str message, ...)
{
    struct field fields[FIELDS_MAX];
    char number[16];
    unsigned held;
    size_t count;
    va_list args;

    if (!log_is_on(level))
        return;
    va_start(args, message);
    count = take_fields(fields, args);
    va_end(args);
    if (!admit(limit, LOG_BURST, hash_fields(fields, count), &held)) {
        list_limit(limit, level, message);
        return;
    }
    snprintf(number, sizeof number, "%u", held);
    if (held > 0 && count < FIELDS_MAX)
        fields[count++] = (struct field){STR("held_back"), str_of(number)};
    emit(&state.out, level, message, fields, count);
}

void log_say_held(void)
{
    struct log_limit *limit;

    pthread_mutex_lock(&state.lock);
    limit = state.limits;
    pthread_mutex_unlock(&state.lock);
    for (; limit; limit = limit->_next) {
        unsigned held = atomic_exchange(&limit->_held, 0);
        char number[16];

        snprintf(number, sizeof number, "%u", held);
        if (held > 0)
            log_msg(limit->_level, limit->_message, "held_back", number, NULL);
    }
}

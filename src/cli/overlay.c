#include "cli/overlay.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/command.h"

struct overlay {
    bool terminal;
    struct buf next; /* main's: what will be drawn */
    /* Under the log's lock, as hide and show run on the thread that logs. */
    struct buf text;
    size_t drawn; /* lines on the terminal now */
};

/* Moves up and clears to the end. */
static void hide(void *arg)
{
    struct overlay *o = arg;
    char move[32];
    int len;

    if (o->drawn == 0)
        return;
    len = snprintf(move, sizeof move, "\x1b[%zuA\x1b[J", o->drawn);
    print_out(str_from(move, (size_t)len));
    o->drawn = 0;
}

/* A line that wraps could not be drawn over. */
static void show(void *arg)
{
    struct overlay *o = arg;
    struct winsize size;
    size_t columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    struct buf out = BUF_INIT(SIZE_MAX);
    struct str rest = buf_str(&o->text);

    o->drawn = 0;
    while (rest.len > 0) {
        struct str line = str_cut(&rest, '\n');
        size_t at = 0;
        size_t width = 0;

        while (at < line.len && width < columns) {
            at++;
            while (at < line.len && ((unsigned char)line.ptr[at] & 0xc0) == 0x80)
                at++;
            width++;
        }
        buf_append(&out, line.ptr, at);
        buf_append_char(&out, '\n');
        o->drawn++;
    }
    print_out(buf_str(&out));
    buf_deinit(&out);
}

static void take_next(void *arg)
{
    struct overlay *o = arg;
    struct buf old = o->text;

    o->text = o->next;
    o->next = old;
}

struct overlay *overlay_new(void)
{
    struct overlay *o = mem_zalloc(sizeof *o);

    o->terminal = isatty(STDOUT_FILENO) == 1;
    buf_init(&o->text, SIZE_MAX);
    buf_init(&o->next, SIZE_MAX);
    if (o->terminal)
        log_set_overlay(hide, show, o);
    return o;
}

bool overlay_is_terminal(const struct overlay *o)
{
    return o->terminal;
}

void overlay_set(struct overlay *o, struct str text)
{
    if (!o->terminal) {
        print_out(text);
        return;
    }
    buf_reset(&o->next);
    buf_append_str(&o->next, text);
    log_update_overlay(take_next);
}

void overlay_free(struct overlay *o)
{
    if (!o)
        return;
    if (o->terminal) {
        buf_reset(&o->next);
        log_update_overlay(take_next);
        log_set_overlay(NULL, NULL, NULL);
    }
    buf_deinit(&o->text);
    buf_deinit(&o->next);
    mem_free(o);
}

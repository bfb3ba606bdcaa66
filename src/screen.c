#include "screen.h"

#include "buf.h"
#include "clock.h"
#include "color.h"
#include "log.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* How long the wiping may take, before a message and at the end (milliseconds). */
#define SCREEN_WIPE_MS 1000

#define SCREEN_MAX 65536

/* The cursor stays at the beginning of what is shown: so it is found again however the terminal
 * rearranges its lines when its width changes, and whatever is killed without a last word leaves a
 * prompt in the right place. */
#define SCREEN_WIPE "\r\x1b[J"

struct screen {
    pthread_mutex_t lock;
    struct log_guard guard;
    int fd;
    bool own; /* fd is of our own opening and never blocks */
    bool shown;
    struct buf frame;    /* what is shown, with the ways of the cursor */
    struct buf waiting;  /* what the terminal has not taken yet, … */
    size_t waiting_from; /* … from here on */
};

/* Whether the terminal may be written to: not by a job in the background. One that is not the
 * session's own knows no jobs. */
static bool
screen_is_ours(const struct screen *screen)
{
    pid_t group = tcgetpgrp(screen->fd);

    return group == -1 || group == getpgrp();
}

/* Writes what the terminal takes within so long. */
static void
screen_flush(struct screen *screen, int64_t patience_ms)
{
    int64_t until = clock_boot_ms() + patience_ms;

    while (screen->waiting_from < screen->waiting.length) {
        struct pollfd ready = {.fd = screen->fd, .events = POLLOUT};
        int64_t left = until - clock_boot_ms();
        size_t rest = screen->waiting.length - screen->waiting_from;
        ssize_t taken;

        if (poll(&ready, 1, left > 0 ? (int)left : 0) != 1) {
            if (left > 0 && errno == EINTR) {
                continue;
            }
            return;
        }
        /* Where only a blocking descriptor is to be had, a byte is all that is sure to have room.
         */
        taken =
            write(screen->fd, screen->waiting.data + screen->waiting_from, screen->own ? rest : 1);
        if (taken > 0) {
            screen->waiting_from += (size_t)taken;
        } else if (taken < 0 && errno != EAGAIN && errno != EINTR) {
            return;
        }
    }
    buf_clear(&screen->waiting);
    screen->waiting_from = 0;
}

static bool
screen_is_flushed(const struct screen *screen)
{
    return screen->waiting.length == 0;
}

static void
screen_write(struct screen *screen, const struct buf *text, int64_t patience_ms)
{
    (void)buf_add(&screen->waiting, buf_text(text), text->length);
    screen_flush(screen, patience_ms);
}

static void
screen_wipe(struct screen *screen)
{
    struct buf wipe;

    if (!screen->shown || !screen_is_ours(screen)) {
        return;
    }
    buf_init(&wipe, SCREEN_MAX);
    (void)buf_add_text(&wipe, SCREEN_WIPE);
    screen_write(screen, &wipe, SCREEN_WIPE_MS);
    buf_free(&wipe);
}

static void
screen_before_message(void *context)
{
    struct screen *screen = context;

    (void)pthread_mutex_lock(&screen->lock);
    screen_wipe(screen);
}

static void
screen_after_message(void *context)
{
    struct screen *screen = context;

    if (screen->shown && screen_is_ours(screen) && screen_is_flushed(screen)) {
        screen_write(screen, &screen->frame, 0);
    }
    (void)pthread_mutex_unlock(&screen->lock);
}

/* A description of our own, of the same terminal: that it does not block must not be said to
 * whoever shares standard error. It may be that of another user, which cannot be opened, as with
 * sudo: -1. */
static int
screen_reopen(void)
{
    char path[32];

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", STDERR_FILENO);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

struct screen *
screen_open(void)
{
    struct screen *screen;
    int fd;

    if (!color_is_terminal(stderr)) {
        return NULL;
    }
    fd = screen_reopen();
    screen = mem_alloc(1, sizeof *screen);
    screen->own = fd >= 0;
    screen->fd = screen->own ? fd : STDERR_FILENO;
    screen->guard = (struct log_guard){
        .before = screen_before_message, .after = screen_after_message, .context = screen};
    buf_init(&screen->frame, SCREEN_MAX);
    buf_init(&screen->waiting, 2 * (size_t)SCREEN_MAX);
    (void)pthread_mutex_init(&screen->lock, NULL);
    log_set_guard(&screen->guard);
    return screen;
}

bool
screen_size(const struct screen *screen, size_t *ret_columns, size_t *ret_rows)
{
    struct winsize size;

    if (ioctl(screen->fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
        return false;
    }
    *ret_columns = size.ws_col;
    *ret_rows = size.ws_row;
    return true;
}

/* Each line ends with the rest of its row wiped, the last one with all below it; then back to where
 * it began. */
static void
screen_draw(struct screen *screen, const char *text)
{
    size_t lines = 0;

    buf_clear(&screen->frame);
    (void)buf_add_text(&screen->frame, "\r");
    for (;;) {
        size_t length = strcspn(text, "\n");

        (void)buf_add(&screen->frame, text, length);
        (void)buf_add_text(&screen->frame, "\x1b[K");
        if (text[length] == '\0') {
            break;
        }
        (void)buf_add_text(&screen->frame, "\r\n");
        text += length + 1;
        lines++;
    }
    (void)buf_add_text(&screen->frame, "\x1b[J\r");
    if (lines > 0) {
        (void)buf_printf(&screen->frame, "\x1b[%zuA", lines);
    }
}

void
screen_show(struct screen *screen, const char *text)
{
    (void)pthread_mutex_lock(&screen->lock);
    if (screen_is_ours(screen)) {
        screen_flush(screen, 0); /* a half of a frame comes to its end first */
        if (screen_is_flushed(screen)) {
            screen_draw(screen, text);
            screen_write(screen, &screen->frame, 0);
            screen->shown = true;
        }
    }
    (void)pthread_mutex_unlock(&screen->lock);
}

void
screen_close(struct screen *screen)
{
    if (screen == NULL) {
        return;
    }
    log_set_guard(NULL);
    screen_wipe(screen);
    if (screen->own) {
        (void)close(screen->fd);
    }
    (void)pthread_mutex_destroy(&screen->lock);
    buf_free(&screen->frame);
    buf_free(&screen->waiting);
    mem_free(screen);
}

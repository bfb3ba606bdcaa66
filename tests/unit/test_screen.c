/* Lines at the end of a terminal: what is written, and that a terminal which takes nothing holds
 * nobody up. */
#define _XOPEN_SOURCE 700 /* posix_openpt() */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "log.h"
#include "screen.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

/* A terminal in place of standard error. */
struct stage {
    int master;
    int stderr_before;
};

static struct stage
stage_open(void)
{
    struct stage stage = {.master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)};
    struct termios settings;
    int terminal;

    assert_true(stage.master >= 0);
    assert_int_equal(grantpt(stage.master), 0);
    assert_int_equal(unlockpt(stage.master), 0);
    terminal = open(ptsname(stage.master), O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    assert_int_equal(tcgetattr(terminal, &settings), 0);
    settings.c_oflag &= ~(tcflag_t)OPOST;
    assert_int_equal(tcsetattr(terminal, TCSANOW, &settings), 0);
    stage.stderr_before = dup(STDERR_FILENO);
    assert_true(dup2(terminal, STDERR_FILENO) >= 0);
    assert_int_equal(close(terminal), 0);
    return stage;
}

static void
stage_close(const struct stage *stage)
{
    assert_true(dup2(stage->stderr_before, STDERR_FILENO) >= 0);
    assert_int_equal(close(stage->stderr_before), 0);
    assert_int_equal(close(stage->master), 0);
}

/* The kernel hands on what was written when it finds the time, and in parts. */
static void
assert_written(const struct stage *stage, const char *expected)
{
    char text[4096];
    size_t length = 0;
    struct pollfd ready = {.fd = stage->master, .events = POLLIN};

    while (length < sizeof text - 1 &&
           poll(&ready, 1, length < strlen(expected) ? 10000 : 20) == 1) {
        ssize_t got = read(stage->master, text + length, sizeof text - 1 - length);

        assert_true(got > 0);
        length += (size_t)got;
    }
    text[length] = '\0';
    assert_string_equal(text, expected);
}

static void
test_what_is_written(void **state)
{
    struct stage stage = stage_open();
    struct screen *screen = screen_open();

    (void)state;
    assert_non_null(screen);
    log_error("one");
    assert_written(&stage, "harpsweep: error: one\n"); /* nothing is shown: nothing to wipe */
    screen_show(screen, "a\nb");
    assert_written(&stage, "\ra\x1b[K\r\nb\x1b[K\x1b[J\r\x1b[1A");
    log_error("two");
    assert_written(&stage, "\r\x1b[Jharpsweep: error: two\n"
                           "\ra\x1b[K\r\nb\x1b[K\x1b[J\r\x1b[1A");
    screen_show(screen, "c");
    assert_written(&stage, "\rc\x1b[K\x1b[J\r");
    screen_close(screen);
    assert_written(&stage, "\r\x1b[J");
    log_error("three");
    assert_written(&stage, "harpsweep: error: three\n");
    screen = screen_open();
    screen_close(screen);
    assert_written(&stage, "");
    screen_close(NULL);
    stage_close(&stage);
}

static void
test_size(void **state)
{
    struct stage stage = stage_open();
    struct screen *screen = screen_open();
    struct winsize size = {.ws_col = 20, .ws_row = 5};
    size_t columns = 1;
    size_t rows = 1;

    (void)state;
    assert_false(screen_size(screen, &columns, &rows)); /* it does not tell */
    assert_int_equal(ioctl(stage.master, TIOCSWINSZ, &size), 0);
    assert_true(screen_size(screen, &columns, &rows));
    assert_int_equal(columns, 20);
    assert_int_equal(rows, 5);
    screen_close(screen);
    stage_close(&stage);
}

static void
test_where_there_is_none(void **state)
{
    struct stage stage = stage_open();
    int before;

    (void)state;
    (void)setenv("TERM", "dumb", 1);
    assert_null(screen_open());
    (void)unsetenv("TERM");
    assert_null(screen_open());
    (void)setenv("TERM", "xterm", 1);
    before = dup(STDERR_FILENO);
    assert_true(dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) >= 0);
    assert_null(screen_open());
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    stage_close(&stage);
}

/* Nobody reads, until its buffers are full; then somebody does, and sees whole frames, and the last
 * of all. */
static void
assert_never_blocks(struct screen *open_screen(void))
{
    struct stage stage = stage_open();
    struct screen *screen = open_screen();
    static char text[1000];
    static char written[1000000];
    int64_t began = clock_boot_ms();
    size_t length = 0;
    ssize_t taken;

    assert_non_null(screen);
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 500; i++) {
        screen_show(screen, text);
    }
    assert_true(clock_boot_ms() - began < 5000);
    do { /* the rest of a frame that was begun, and no other */
        while ((taken = read(stage.master, written + length, sizeof written - length)) > 0) {
            length += (size_t)taken;
        }
        screen_show(screen, "last");
    } while (strstr(written, "\rlast\x1b[K\x1b[J\r") == NULL && clock_boot_ms() < began + 15000);
    assert_true(length > 2000 && length < 400000);
    for (size_t at = 0; at + 1 < length && written[at + 1] == 'x';) {
        static const char end[] = "\x1b[K\x1b[J\r";

        assert_int_equal(written[at], '\r');
        assert_int_equal(strspn(written + at + 1, "x"), sizeof text - 1);
        at += sizeof text;
        assert_memory_equal(written + at, end, sizeof end - 1);
        at += sizeof end - 1;
        if (written[at] != '\r') {
            break;
        }
    }
    assert_non_null(strstr(written, "\rlast\x1b[K\x1b[J\r"));
    screen_close(screen);
    stage_close(&stage);
    memset(written, 0, sizeof written);
}

static void
test_a_terminal_that_takes_nothing(void **state)
{
    (void)state;
    assert_never_blocks(screen_open);
}

/* As that of another user, which cannot be opened once more. */
static struct screen *
borrow_screen(void)
{
    struct rlimit before;
    struct rlimit none;
    struct screen *screen;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = STDERR_FILENO + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    screen = screen_open();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    return screen;
}

static void
test_a_borrowed_terminal_that_takes_nothing(void **state)
{
    (void)state;
    assert_never_blocks(borrow_screen);
}

/* Whoever sat there is gone: every write fails from here on, and nobody waits or tries on. */
static void
test_a_terminal_that_went_away(void **state)
{
    struct stage stage = stage_open();
    struct screen *screen = screen_open();
    int64_t began;

    (void)state;
    assert_non_null(screen);
    screen_show(screen, "a");
    assert_written(&stage, "\ra\x1b[K\x1b[J\r");
    assert_int_equal(close(stage.master), 0);
    began = clock_boot_ms();
    (void)alarm(30); /* an attempt that is repeated for ever would hang here */
    screen_show(screen, "b");
    screen_show(screen, "c");
    screen_close(screen);
    (void)alarm(0);
    assert_true(clock_boot_ms() - began < 5000);
    stage.master = open("/dev/null", O_RDONLY);
    stage_close(&stage);
}

static void
take_signal(int number)
{
    (void)number;
}

/* The signals of a timer end each wait for room, and none of them the patience with a terminal. */
static void
test_signals_do_not_end_the_patience(void **state)
{
    struct stage stage = stage_open();
    struct screen *screen = screen_open();
    struct sigaction action = {.sa_handler = take_signal};
    struct itimerval ticks = {.it_interval.tv_usec = 5000, .it_value.tv_usec = 5000};
    const struct itimerval none = {.it_value.tv_usec = 0};
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    static char text[1000];
    int64_t began;
    int64_t waited;

    (void)state;
    assert_non_null(screen);
    memset(text, 'x', sizeof text - 1);
    do { /* until there is no room left, nor comes any */
        for (int i = 0; i < 500; i++) {
            screen_show(screen, text);
        }
    } while (poll(&room, 1, 100) == 1);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &ticks, NULL), 0);
    began = clock_boot_ms();
    screen_close(screen); /* which waits for room to wipe what is shown */
    waited = clock_boot_ms() - began;
    assert_int_equal(setitimer(ITIMER_REAL, &none, NULL), 0);
    /* The handler stays: under valgrind the last tick may come after this. */
    assert_true(waited >= 900 && waited < 5000);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_where_there_is_none),
        cmocka_unit_test(test_a_terminal_that_takes_nothing),
        cmocka_unit_test(test_a_borrowed_terminal_that_takes_nothing),
        cmocka_unit_test(test_a_terminal_that_went_away),
        cmocka_unit_test(test_signals_do_not_end_the_patience),
    };

    (void)setenv("TERM", "xterm", 1);
    return cmocka_run_group_tests_name("screen", tests, NULL, NULL);
}

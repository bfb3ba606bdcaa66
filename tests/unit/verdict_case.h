/*
 * Cases for verdict*.c: an answer, and the whole verdict that it must get. One case is one named
 * test. Answers that were seen at HaRP 0.4.4 stand here word for word, with the length that it
 * gave them.
 */
#ifndef HARPSWEEP_TEST_VERDICT_CASE_H
#define HARPSWEEP_TEST_VERDICT_CASE_H

#include "verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define JSON "application/json; charset=utf-8" /* the agent's */
#define TEXT "text/plain; charset=utf-8"       /* the agent's */
#define DOCKER_JSON "application/json"
#define HAPROXY_TEXT "text/plain"
#define HTML "text/html"

/* An answer of text, a literal, perhaps with NULs in it. */
#define ANSWER(status, type, text)                                        \
    {                                                                     \
        HTTP_ANSWERED, "", (status), (type), (text), sizeof(text) - 1, 12 \
    }

/* What a link or a limit left of an answer; it may look whole. */
#define REST(transport, status, type, text)                                 \
    {                                                                       \
        (transport), "rest", (status), (type), (text), sizeof(text) - 1, 12 \
    }

/* What is there when no whole answer came. */
#define NO_ANSWER(transport, detail)               \
    {                                              \
        (transport), (detail), 0, "", "", 0, 90000 \
    }

/* A verdict without its words. */
struct verdict_core {
    enum verdict_action action;
    enum verdict_state state;
    enum verdict_stop stop;
    bool two_stop;
    int64_t bytes_freed;
    int64_t min_delay_s;
};

#define PLAIN(action)                                                  \
    {                                                                  \
        VERDICT_##action, VERDICT_NONE, VERDICT_STOP_NONE, false, 0, 0 \
    }
#define DONE(state, bytes)                                                  \
    {                                                                       \
        VERDICT_DONE, VERDICT_##state, VERDICT_STOP_NONE, false, (bytes), 0 \
    }
#define RETRY_IN(seconds)                                                   \
    {                                                                       \
        VERDICT_RETRY, VERDICT_NONE, VERDICT_STOP_NONE, false, 0, (seconds) \
    }
#define RETRY_TWO_STOP                                             \
    {                                                              \
        VERDICT_RETRY, VERDICT_NONE, VERDICT_STOP_NONE, true, 0, 0 \
    }
#define STOP(why)                                                   \
    {                                                               \
        VERDICT_STOP, VERDICT_NONE, VERDICT_STOP_##why, false, 0, 0 \
    }

struct verdict_case {
    const char *name;
    struct http_answer answer;
    size_t observed; /* the Content-Length that HaRP gave this body; 0: no answer of HaRP's */
    struct verdict_core want;
    const char *reason; /* the whole of it */
    const char *hint;   /* a part of it; NULL: there must be none */
};

static inline void
expect_printable(const char *name, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < 0x20 || *c > 0x7e) {
            fail_msg("%s: byte %d in \"%s\"", name, *c, text);
        }
    }
}

/* What holds for every verdict. */
static inline void
expect_sane(const char *name, const struct verdict *got)
{
    expect_printable(name, got->reason);
    expect_printable(name, got->hint);
    if ((got->action == VERDICT_DONE) != (got->state != VERDICT_NONE)) {
        fail_msg("%s: action %d with state %d", name, (int)got->action, (int)got->state);
    }
    if (got->action != VERDICT_STOP && got->stop != VERDICT_STOP_NONE) {
        fail_msg("%s: action %d with stop %d", name, (int)got->action, (int)got->stop);
    }
    if (got->bytes_freed < 0 || (got->bytes_freed != 0 && got->state != VERDICT_REMOVED)) {
        fail_msg("%s: freed %lld", name, (long long)got->bytes_freed);
    }
    /* Only what went as it should needs no words. */
    if (got->reason[0] == '\0' && got->action != VERDICT_GO_ON && got->state != VERDICT_REMOVED) {
        fail_msg("%s: no reason", name);
    }
}

static inline void
expect_core(const char *name, const struct verdict *got, const struct verdict_core *want)
{
    if (got->action != want->action || got->state != want->state || got->stop != want->stop ||
        got->two_stop != want->two_stop || got->bytes_freed != want->bytes_freed ||
        got->min_delay_s != want->min_delay_s) {
        fail_msg("%s: action %d, state \"%s\", stop \"%s\", two_stop %d, %lld bytes, not before "
                 "%lld s: %s",
                 name, (int)got->action, verdict_state_name(got->state),
                 verdict_stop_name(got->stop), (int)got->two_stop, (long long)got->bytes_freed,
                 (long long)got->min_delay_s, got->reason);
    }
}

static inline void
expect_case(const struct verdict_case *one, const struct verdict *got)
{
    if (one->observed != 0) {
        assert_int_equal(one->answer.length, one->observed);
    }
    expect_sane(one->name, got);
    expect_core(one->name, got, &one->want);
    assert_string_equal(got->reason, one->reason);
    if (one->hint == NULL) {
        assert_string_equal(got->hint, "");
    } else if (strstr(got->hint, one->hint) == NULL) {
        fail_msg("%s: hint is \"%s\"", one->name, got->hint);
    }
}

/* A group of one test per case; check gets the case as its state. */
static inline void
fill_tests(struct CMUnitTest *tests, struct verdict_case *cases, size_t count,
           CMUnitTestFunction check)
{
    for (size_t i = 0; i < count; i++) {
        tests[i] = (struct CMUnitTest){cases[i].name, check, NULL, NULL, &cases[i]};
    }
}

#endif

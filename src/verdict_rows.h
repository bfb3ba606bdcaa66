/*
 * What verdict*.c share: the rows that hold for more than one question.
 */
#ifndef HARPSWEEP_VERDICT_ROWS_H
#define HARPSWEEP_VERDICT_ROWS_H

#include "verdict.h"

enum verdict_question { VERDICT_ASK_INFO = 1, VERDICT_ASK_INSPECT = 2, VERDICT_ASK_REMOVAL = 4 };

/* What a body claims to be, by its content type. */
enum verdict_body { VERDICT_BODY_ANY, VERDICT_BODY_TEXT, VERDICT_BODY_HTML, VERDICT_BODY_JSON };

enum verdict_body verdict_body_of(const struct http_answer *answer);

/* Length of a body without the white space at its end. */
size_t verdict_trimmed_length(const struct http_answer *answer);

/* A verdict with a reason; everything else is as after memset(). */
struct verdict verdict_make(enum verdict_action action, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct verdict verdict_make_stop(enum verdict_stop stop, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct verdict verdict_make_done(enum verdict_state state, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The rows for everything that is not an answer to the question: failures below HTTP, refusals,
 * answers of HaRP's about itself, and of whatever else may answer in its place. */
struct verdict verdict_of_rest(const struct http_answer *answer, enum verdict_question question);

/* The answer looks like one, but says nothing that HaRP says. */
struct verdict verdict_of_stranger(const struct http_answer *answer);

#endif

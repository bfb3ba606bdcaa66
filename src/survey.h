/*
 * Asks daemons about images, and changes nothing: which are there, how large, and what speaks
 * against deleting them. For the commands plan and adopt. Daemons are asked as a run asks them:
 * /info first, then one question alone, then several at once, and nothing more after an answer that
 * means trouble.
 */
#ifndef HARPSWEEP_SURVEY_H
#define HARPSWEEP_SURVEY_H

#include "conf.h"
#include "err.h"
#include "roster.h"
#include "verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct survey_item {
    const char *daemon;     /* which one to ask */
    struct verdict_job job; /* what the question is about; by_id is the survey's own */

    bool asked;             /* it was answered; else verdict.reason says why not */
    struct verdict verdict; /* GO_ON: it is there, and nothing speaks against deleting it */
};

/* Asks all of it. False only where the program itself cannot ask; a signal to stop ends it early.
 */
bool survey_images(const struct conf *conf, const struct roster *roster, struct survey_item *items,
                   size_t count, struct err *err) MUST_CHECK;

#endif

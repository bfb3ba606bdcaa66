/*
 * A daemon, as one process meets it: how far it is trusted, and what stops it.
 *
 * The first request is /info, the second goes alone, and only then several go at once; an answer
 * that means trouble for all of them stops the daemon for this process. So a wrong key is tried
 * once, and a HaRP that does not answer costs one request.
 */
#ifndef HARPSWEEP_LANE_H
#define HARPSWEEP_LANE_H

#include "conf.h"
#include "gateway.h"
#include "verdict.h"

enum lane_gate {
    LANE_UNKNOWN, /* nothing was sent yet */
    LANE_ASKED,   /* /info is under way */
    LANE_PROVING, /* one request alone */
    LANE_OPEN,
    LANE_STOPPED,
};

struct lane {
    const struct conf_daemon *conf;
    enum lane_gate gate;
    int active;       /* requests under way */
    int troubles;     /* answers in a row of the kind of which two stop a daemon */
    char version[32]; /* HaRP's; "" where it did not tell yet */
    enum verdict_stop stop;
    char reason[512]; /* why it was stopped */
    char hint[256];
};

/* What may begin now. */
enum lane_turn { LANE_WAIT, LANE_INFO, LANE_GO };
enum lane_turn lane_turn(const struct lane *lane);

/* Begins /info; user comes back with the answer. */
bool lane_begin_info(struct lane *lane, struct http *http, const struct gateway_limits *limits,
                     void *user, struct err *err) MUST_CHECK;

/* A request began. */
void lane_began(struct lane *lane);

/* The answer to /info. */
void lane_take_info(struct lane *lane, const struct http_answer *answer);

/* A request ended with an answer of another kind, or without any. last: nothing follows for the
 * same job or app. A second trouble in a row becomes a VERDICT_STOP, and that stops the lane. */
void lane_take(struct lane *lane, bool last, struct verdict *verdict);

/* A request was ended by this process, or nothing is known of it. */
void lane_take_abort(struct lane *lane);

/* Nothing is known of /info: it has to be asked once more. */
void lane_ask_again(struct lane *lane);

#endif

#include "lane.h"

#include <stdio.h>

enum lane_turn
lane_turn(const struct lane *lane)
{
    switch (lane->gate) {
    case LANE_UNKNOWN:
        return LANE_INFO;
    case LANE_PROVING:
        return lane->active == 0 ? LANE_GO : LANE_WAIT;
    case LANE_OPEN:
        return lane->active < lane->conf->max_parallel ? LANE_GO : LANE_WAIT;
    case LANE_ASKED:
    case LANE_STOPPED:
        break;
    }
    return LANE_WAIT;
}

bool
lane_begin_info(struct lane *lane, struct http *http, const struct gateway_limits *limits,
                void *user, struct err *err)
{
    if (!gateway_begin_info(http, lane->conf, limits, user, err)) {
        return false;
    }
    lane->gate = LANE_ASKED;
    lane->active++;
    return true;
}

void
lane_began(struct lane *lane)
{
    lane->active++;
}

static void
lane_stop(struct lane *lane, const struct verdict *verdict)
{
    if (lane->gate != LANE_STOPPED) {
        lane->gate = LANE_STOPPED;
        lane->stop = verdict->stop == VERDICT_STOP_NONE ? VERDICT_STOP_DOWN : verdict->stop;
        (void)snprintf(lane->reason, sizeof lane->reason, "%s", verdict->reason);
        (void)snprintf(lane->hint, sizeof lane->hint, "%s", verdict->hint);
    }
}

void
lane_take_info(struct lane *lane, const struct http_answer *answer)
{
    struct verdict verdict = verdict_of_info(answer, lane->version);

    lane->active--;
    if (verdict.action == VERDICT_GO_ON) {
        lane->gate = LANE_PROVING;
    } else {
        lane_stop(lane, &verdict);
    }
}

void
lane_take(struct lane *lane, bool last, struct verdict *verdict)
{
    lane->active--;
    lane->troubles = verdict->two_stop ? lane->troubles + 1 : last ? 0 : lane->troubles;
    if (lane->troubles >= 2) {
        verdict->action = VERDICT_STOP;
        verdict->stop = VERDICT_STOP_DOWN;
    }
    if (verdict->action == VERDICT_STOP) {
        lane_stop(lane, verdict);
    } else if (lane->gate == LANE_PROVING && last && !verdict->two_stop) {
        lane->gate = LANE_OPEN;
    }
}

void
lane_take_abort(struct lane *lane)
{
    lane->active--;
}

void
lane_ask_again(struct lane *lane)
{
    lane->active--;
    lane->gate = LANE_UNKNOWN;
}

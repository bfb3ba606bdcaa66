#include "survey.h"

#include "gateway.h"
#include "http.h"
#include "imageref.h"
#include "lane.h"
#include "mem.h"
#include "sig.h"

#include <stdio.h>
#include <string.h>

/* How long one wait for answers may take; the requests have limits of their own. */
#define SURVEY_WAIT_MS 1000

struct survey_lane;

/* What an answer belongs to; without item to the daemon's /info. */
struct survey_call {
    struct survey_lane *lane;
    struct survey_item *item;
    struct survey_call *next;
};

struct survey_lane {
    struct survey_call info;
    struct lane lane;
    struct survey_call *waiting;
};

struct survey {
    const struct conf *conf;
    struct http *http;
    struct survey_lane *lanes;
    size_t lane_count;
    struct survey_call *calls;
};

static void
survey_refuse(struct survey_item *item, const char *reason, const char *hint)
{
    item->asked = false;
    memset(&item->verdict, 0, sizeof item->verdict);
    (void)snprintf(item->verdict.reason, sizeof item->verdict.reason, "%s", reason);
    (void)snprintf(item->verdict.hint, sizeof item->verdict.hint, "%s", hint);
}

static void
survey_push(struct survey_call *call)
{
    call->next = call->lane->waiting;
    call->lane->waiting = call;
}

/* Whatever waits for a daemon that was stopped gets no answer. */
static void
survey_refuse_waiting(struct survey_lane *lane)
{
    while (lane->lane.gate == LANE_STOPPED && lane->waiting != NULL) {
        struct survey_call *call = lane->waiting;

        lane->waiting = call->next;
        survey_refuse(call->item, lane->lane.reason, lane->lane.hint);
    }
}

static void
survey_take(struct survey_call *call, const struct http_answer *answer)
{
    struct survey_item *item = call->item;
    enum verdict_target target = VERDICT_TARGET_REF;
    bool go_on;

    item->verdict = verdict_of_inspect(answer, &item->job, &target);
    go_on = item->verdict.action == VERDICT_GO_ON && target == VERDICT_TARGET_INSPECT_ID;
    lane_take(&call->lane->lane, !go_on, &item->verdict);
    if (go_on) {
        item->job.by_id = true;
        survey_push(call);
    } else if (item->verdict.action == VERDICT_STOP) {
        survey_refuse(item, call->lane->lane.reason, call->lane->lane.hint);
    } else {
        /* A request that failed is no answer: neither that the image is there nor that it is not.
         */
        item->asked = item->verdict.action != VERDICT_RETRY;
    }
}

static void
survey_answered(void *context, void *user, const struct http_answer *answer)
{
    struct survey_call *call = user;
    struct lane *lane = &call->lane->lane;

    (void)context;
    if (answer->transport == HTTP_ABORTED) {
        lane_take_abort(lane);
    } else if (answer->transport == HTTP_LATE && call->item == NULL) {
        lane_ask_again(lane);
    } else if (answer->transport == HTTP_LATE) {
        lane_take_abort(lane);
        survey_push(call);
    } else if (call->item == NULL) {
        lane_take_info(lane, answer);
    } else {
        survey_take(call, answer);
    }
    survey_refuse_waiting(call->lane);
}

static bool
survey_begin_next(struct survey *survey, struct survey_lane *lane, struct err *err)
{
    const struct gateway_limits limits = gateway_limits_of(survey->conf);
    struct survey_call *call = lane->waiting;
    const struct verdict_job *job = &call->item->job;

    if (!gateway_begin_inspect(survey->http, lane->lane.conf, &limits,
                               job->by_id ? job->image_id : job->image_ref, call, err)) {
        return false;
    }
    lane->waiting = call->next;
    lane_began(&lane->lane);
    return true;
}

/* Begins what may begin. *ret_working: something is under way or waits. */
static bool
survey_begin(struct survey *survey, bool *ret_working, struct err *err)
{
    const struct gateway_limits limits = gateway_limits_of(survey->conf);

    for (size_t i = 0; i < survey->lane_count; i++) {
        struct survey_lane *lane = &survey->lanes[i];

        while (lane->waiting != NULL &&
               http_active(survey->http) < (int)survey->conf->max_parallel) {
            enum lane_turn turn = lane_turn(&lane->lane);

            if (turn == LANE_WAIT) {
                break;
            }
            if (turn == LANE_INFO
                    ? !lane_begin_info(&lane->lane, survey->http, &limits, &lane->info, err)
                    : !survey_begin_next(survey, lane, err)) {
                return false;
            }
        }
    }
    *ret_working = http_active(survey->http) > 0;
    return true;
}

/* Gives each item to the lane of its daemon; some can't be asked at all. */
static void
survey_sort(struct survey *survey, const struct roster *roster, struct survey_item *items,
            size_t count)
{
    survey->lane_count = roster_count(roster);
    survey->lanes = mem_alloc(survey->lane_count, sizeof *survey->lanes);
    survey->calls = mem_alloc(count, sizeof *survey->calls);
    for (size_t i = 0; i < survey->lane_count; i++) {
        survey->lanes[i].lane.conf = &roster_at(roster, i)->conf;
        survey->lanes[i].info.lane = &survey->lanes[i];
    }
    for (size_t i = count; i-- > 0;) { /* from the last, because a lane takes the newest first */
        const struct roster_daemon *daemon = roster_find(roster, items[i].daemon);

        if (daemon == NULL) {
            survey_refuse(&items[i], "neither the settings nor Nextcloud know its daemon", "");
        } else if (daemon->problem != NULL) {
            survey_refuse(&items[i], daemon->problem, "");
        } else if (imageref_kind(items[i].job.image_ref) == IMAGEREF_INVALID) {
            survey_refuse(&items[i], "not a reference that Docker accepts", "");
        } else {
            survey_refuse(&items[i], "not asked to the end: interrupted", "");
            survey->calls[i].item = &items[i];
            for (size_t j = 0; j < survey->lane_count; j++) {
                if (roster_at(roster, j) == daemon) {
                    survey->calls[i].lane = &survey->lanes[j];
                }
            }
            survey_push(&survey->calls[i]);
        }
    }
}

bool
survey_images(const struct conf *conf, const struct roster *roster, struct survey_item *items,
              size_t count, struct err *err)
{
    struct survey survey = {.conf = conf};
    bool working = true;
    bool done = true;

    if (count == 0) {
        return true;
    }
    if (!http_open((int)conf->max_parallel, survey_answered, &survey, &survey.http, err)) {
        return false;
    }
    survey_sort(&survey, roster, items, count);
    while (done && working && sig_stops() == 0) {
        done = survey_begin(&survey, &working, err) &&
               (!working || http_wait(survey.http, -1, false, SURVEY_WAIT_MS, err));
    }
    http_abort_all(survey.http);
    http_close(survey.http);
    mem_free(survey.calls);
    mem_free(survey.lanes);
    return done;
}

/* The observer: which image each app runs, asked of its container where Nextcloud's row changed. */
#include "gateway.h"
#include "jobs.h"
#include "log.h"
#include "mem.h"
#include "sweep_state.h"

#include <string.h>

static void
sweep_look_free(struct sweep_look *look)
{
    mem_free(look->appid);
    mem_free(look->fingerprint);
    mem_free(look);
}

static void
sweep_free_list(struct sweep_look **list)
{
    while (*list != NULL) {
        struct sweep_look *look = *list;

        *list = look->next;
        sweep_look_free(look);
    }
}

/* It waits for its turn, before the others. */
static void
sweep_look_push(struct sweep_look *look)
{
    look->next = look->call.daemon->looks;
    look->call.daemon->looks = look;
}

void
sweep_add_look(struct sweep_daemon *daemon, const char *appid, const char *fingerprint)
{
    struct sweep_look *look;

    if (!gateway_is_appid(appid)) {
        log_info("app %s is not looked at: HaRP does not let its container be asked for", appid);
        return;
    }
    look = mem_alloc(1, sizeof *look);
    look->call.daemon = daemon;
    look->call.look = look;
    look->appid = mem_strdup(appid);
    look->fingerprint = mem_strdup(fingerprint);
    look->bytes = -1;
    sweep_look_push(look);
    daemon->looking++;
}

void
sweep_drop_looks(struct sweep_daemon *daemon)
{
    for (const struct sweep_look *look = daemon->looks; look != NULL; look = look->next) {
        daemon->looking--;
    }
    sweep_free_list(&daemon->looks);
}

bool
sweep_engine_is_seen(const struct sweep *sweep, const struct sweep_daemon *daemon)
{
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        const struct sweep_daemon *other = &sweep->daemons[i];

        if (other->looking > 0 && roster_is_same_engine(other->entry, daemon->entry)) {
            return false;
        }
    }
    return true;
}

bool
sweep_start_look(struct sweep *sweep, struct sweep_daemon *daemon)
{
    const struct gateway_limits limits = gateway_limits_of(sweep->conf);
    struct sweep_look *look = daemon->looks;
    struct err err;
    bool begun = look->sizing ? gateway_begin_inspect(sweep->http, daemon->lane.conf, &limits,
                                                      look->seen.image_id, &look->call, &err)
                              : gateway_begin_container(sweep->http, daemon->lane.conf, &limits,
                                                        look->appid, &look->call, &err);

    if (!begun) {
        sweep_drop_looks(daemon);
        sweep_fail(sweep, &err);
        return false;
    }
    daemon->looks = look->next;
    lane_began(&daemon->lane);
    return true;
}

static void
sweep_look_ended(struct sweep *sweep, struct sweep_look *look)
{
    look->next = sweep->looked;
    sweep->looked = look;
}

static void
sweep_look_failed(struct sweep_look *look, const char *reason)
{
    log_info("app %s on daemon %s could not be looked at: %s", look->appid,
             look->call.daemon->lane.conf->name, reason);
    look->call.daemon->looking--;
    sweep_look_free(look);
}

static void
sweep_look_container(struct sweep *sweep, struct sweep_look *look, const struct http_answer *answer)
{
    struct sweep_daemon *daemon = look->call.daemon;
    struct verdict verdict = verdict_of_container(answer, &look->seen);

    lane_take(&daemon->lane, verdict.action != VERDICT_GO_ON || !look->seen.exists, &verdict);
    if (verdict.action != VERDICT_GO_ON) {
        sweep_look_failed(look, verdict.reason);
    } else if (look->seen.exists && daemon->lane.gate != LANE_STOPPED) {
        look->sizing = true;
        sweep_look_push(look);
    } else {
        sweep_look_ended(sweep, look);
    }
}

static void
sweep_look_size(struct sweep *sweep, struct sweep_look *look, const struct http_answer *answer)
{
    const struct verdict_job view = {
        .image_ref = look->seen.image_id, .image_id = look->seen.image_id, .explicit_now = true};
    enum verdict_target target = VERDICT_TARGET_REF;
    struct verdict verdict = verdict_of_inspect(answer, &view, &target);

    lane_take(&look->call.daemon->lane, true, &verdict);
    if (strcmp(verdict.image_id, look->seen.image_id) == 0) {
        look->bytes = verdict.image_size;
    }
    /* What the container was made from is known, and that is what matters. */
    sweep_look_ended(sweep, look);
}

void
sweep_look_answered(struct sweep *sweep, struct sweep_look *look, const struct http_answer *answer)
{
    if (answer->transport == HTTP_ABORTED) {
        lane_take_abort(&look->call.daemon->lane);
        sweep_look_failed(look, "the run had to end");
    } else if (answer->transport == HTTP_LATE) {
        lane_take_abort(&look->call.daemon->lane);
        sweep_look_push(look);
    } else if (look->sizing) {
        sweep_look_size(sweep, look, answer);
    } else {
        sweep_look_container(sweep, look, answer);
    }
}

void
sweep_add_observed(struct sweep *sweep, struct sweep_steps *steps)
{
    struct jobs_observation observations[SWEEP_OBSERVE_COUNT];
    const size_t most = sweep->looks_alone ? 1 : SWEEP_OBSERVE_COUNT;
    size_t count = 0;
    int index;

    while (sweep->looked != NULL && count < most) {
        struct sweep_look *look = sweep->looked;
        bool exists = look->seen.exists;

        observations[count++] = (struct jobs_observation){
            .appid = look->appid,
            .daemon = look->call.daemon->lane.conf->name,
            .fingerprint = look->fingerprint,
            .image_ref = exists ? look->seen.image_ref : NULL,
            .image_id = exists ? look->seen.image_id : NULL,
            .bytes = look->bytes,
            .container = exists ? look->seen.status : NULL,
        };
        sweep->looked = look->next;
        look->next = sweep->observing;
        sweep->observing = look;
    }
    if (count > 0) {
        index = sweep_add_step(steps);
        steps->steps[index].sql = jobs_observed(&steps->args[index], observations, count);
        sweep->step_observed = index;
    }
}

static void
sweep_end_observing(struct sweep *sweep)
{
    for (struct sweep_look *look = sweep->observing; look != NULL; look = look->next) {
        look->call.daemon->looking--;
    }
    sweep_free_list(&sweep->observing);
}

void
sweep_observed(struct sweep *sweep, const struct db_result *result)
{
    enum { APPID, WHAT, JOB };

    sweep->report->worked = true;
    for (int row = 0; row < db_rows(result); row++) {
        sweep->report->observed++;
        log_info("app %s: %s%s%s", db_text(result, row, APPID), db_text(result, row, WHAT),
                 db_is_null(result, row, JOB) ? "" : ", job of the image before: ",
                 db_text(result, row, JOB));
    }
    sweep_end_observing(sweep);
}

void
sweep_drop_observing(struct sweep *sweep, const struct err *err)
{
    for (const struct sweep_look *look = sweep->observing; look != NULL; look = look->next) {
        log_error("what app %s on daemon %s runs could not be noted: %s", look->appid,
                  look->call.daemon->lane.conf->name, err->text);
    }
    sweep_end_observing(sweep);
}

void
sweep_unobserve(struct sweep *sweep)
{
    while (sweep->observing != NULL) {
        struct sweep_look *look = sweep->observing;

        sweep->observing = look->next;
        sweep_look_ended(sweep, look);
    }
}

void
sweep_free_looks(struct sweep *sweep)
{
    sweep_free_list(&sweep->looked);
    sweep_free_list(&sweep->observing);
    for (size_t i = 0; i < sweep->daemon_count; i++) {
        sweep_free_list(&sweep->daemons[i].looks);
    }
}

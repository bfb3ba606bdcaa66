#include "cmd_job.h"

#include "clock.h"
#include "log.h"
#include "printable.h"
#include "table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
cmd_job_say(const char *format, ...)
{
    struct buf printable;
    char text[2048];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_init(&printable, 4 * sizeof text);
    (void)printable_add(&printable, text);
    (void)fputs(buf_text(&printable), stdout);
    buf_free(&printable);
}

const char *
cmd_job_moment(const char *utc, char ret_text[CLOCK_LOCAL_SIZE])
{
    int64_t seconds = 0;

    if (clock_parse_utc(utc, &seconds)) {
        return clock_local_text(seconds, ret_text);
    }
    (void)snprintf(ret_text, CLOCK_LOCAL_SIZE, "%s", utc);
    return ret_text;
}

static void
cmd_job_print_pending(const struct ledger_job *job, const struct cmd_session *session)
{
    const struct roster_daemon *daemon = roster_find(session->roster, job->daemon);
    const char *pattern = conf_keep_match(session->conf, job->image_ref);
    char span[TABLE_SPAN_SIZE];
    char moment[CLOCK_LOCAL_SIZE];

    if (daemon == NULL && job->host[0] == '\0') {
        cmd_job_say("it waits: neither the settings nor Nextcloud know daemon %s; add a section "
                    "[daemon:%s] to %s, or 'harpsweep cancel %" PRId64 "'",
                    job->daemon, job->daemon, session->conf->path, job->id);
    } else if (daemon != NULL && daemon->problem != NULL) {
        cmd_job_say("it waits: %s", daemon->problem);
    } else if (!session->enabled && strcmp(job->choice, "now") != 0) {
        cmd_job_say("it waits: cleanup is disabled%s", session->conf->follow_nextcloud
                                                           ? " in Nextcloud"
                                                           : " in the settings (enabled = no)");
    } else if (pattern != NULL) {
        cmd_job_say("the setting keep = %s holds it", pattern);
    } else if (job->paused_until[0] != '\0') {
        cmd_job_say("runs leave daemon %s alone until %s: %s", job->daemon,
                    cmd_job_moment(job->paused_until, moment), job->stop_reason);
    } else if (strcmp(job->next_at, "infinity") == 0) {
        cmd_job_say("nothing until somebody changes it: 'harpsweep now %" PRId64 "'", job->id);
    } else if (job->waits_s > 0) {
        cmd_job_say("nothing before %s, in %s; the first run after that deletes the image",
                    cmd_job_moment(job->next_at, moment), table_span(job->waits_s, span));
    } else {
        cmd_job_say("the next run deletes the image, unless something holds it");
    }
    if (job->stop[0] != '\0' && job->paused_until[0] == '\0') {
        cmd_job_say(", once daemon %s works again: %s", job->daemon, job->stop_reason);
    }
}

static void
cmd_job_print_claimed(const struct ledger_job *job)
{
    char span[TABLE_SPAN_SIZE];

    if (job->waits_s <= 0) {
        cmd_job_say("the run %s died with it; the next run takes it up again", job->claimed_by);
    } else {
        cmd_job_say("the run %s works on it; should that die, another takes it up in %s",
                    job->claimed_by, table_span(job->waits_s, span));
    }
    if (job->end_wanted[0] != '\0') {
        cmd_job_say("; it becomes %s when this attempt ends, unless that deletes the image",
                    job->end_wanted);
    }
}

static void
cmd_job_print_final(const struct ledger_job *job)
{
    static const struct {
        const char *state;
        const char *words;
        bool can_retry;
    } endings[] = {
        {"removed", "the image is deleted", false},
        {"untagged", "the name is gone; the image stays, because something else holds it", false},
        {"absent", "the image was gone already", false},
        {"in_use", "the image was in use at every look and stays", true},
        {"kept", "the image stays", false},
        {"cancelled", "the image stays", true},
        {"failed", "a person has to look: see the error below", true},
        {"unsupported", "its daemon has no HaRP that could delete it", true},
        {"no_ref", "its image was never seen", false},
    };

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (strcmp(endings[i].state, job->state) == 0) {
            cmd_job_say("nothing: %s", endings[i].words);
            if (endings[i].can_retry && strcmp(job->choice, "keep") != 0) {
                cmd_job_say("; 'harpsweep retry %" PRId64 "' opens the job again", job->id);
            }
        }
    }
}

void
cmd_job_print_next(const struct ledger_job *job, const struct cmd_session *session)
{
    char moment[CLOCK_LOCAL_SIZE];

    if (!job->is_open) {
        cmd_job_print_final(job);
    } else if (strcmp(job->choice, "keep") == 0) {
        cmd_job_say("the next run records it as kept; the image stays");
    } else if (strcmp(job->state, "claimed") == 0) {
        cmd_job_print_claimed(job);
    } else if (strcmp(job->state, "new") == 0 && strcmp(job->choice, "now") != 0) {
        cmd_job_say("the next run gives it a grace of %" PRId64 " hours from %s on",
                    job->grace_hours >= 0 ? job->grace_hours : session->grace_hours,
                    cmd_job_moment(job->orphaned_at, moment));
        if (*job->not_before != '\0') { /* of a longer grace that was asked for */
            cmd_job_say(", but nothing is deleted before %s",
                        cmd_job_moment(job->not_before, moment));
        }
    } else {
        cmd_job_print_pending(job, session);
    }
}

enum color
cmd_job_color(const struct ledger_job *job)
{
    if (strcmp(job->state, "failed") == 0 || strcmp(job->state, "unsupported") == 0) {
        return COLOR_BAD;
    }
    if (strcmp(job->state, "removed") == 0) {
        return COLOR_GOOD;
    }
    return job->is_open && *job->hold_reason != '\0' ? COLOR_WARNING : COLOR_NONE;
}

void
cmd_job_log_missing(int64_t id)
{
    struct err err;

    (void)err_set(&err, ERR_USAGE, "there is no job %" PRId64, id);
    (void)err_hint(&err, "'harpsweep list' shows the numbers; finished jobs go after history_days");
    log_err(&err);
}

void
cmd_job_log_none(const char *app, const char *daemon, const char *which)
{
    struct err err;

    (void)err_set(&err, ERR_USAGE, "app %s has no job%s%s%s%s", app,
                  daemon == NULL ? "" : " on daemon ", daemon == NULL ? "" : daemon,
                  *which == '\0' ? "" : " ", which);
    if (*which == '\0') {
        (void)err_hint(&err, "'harpsweep list' shows all jobs");
    } else {
        (void)err_hint(&err,
                       "'harpsweep show --app %s' shows all that it has, 'harpsweep list' all jobs",
                       app);
    }
    log_err(&err);
}

#include "cmd_story.h"

#include "clock.h"
#include "cmd_job.h"
#include "mem.h"
#include "table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct story_event {
    int64_t at; /* seconds since 1970 */
    size_t number;
    char *text;
};

struct story {
    struct story_event *events;
    size_t count;
};

static void story_add(struct story *story, const char *utc, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Nothing is added where utc is no moment: it did not happen, or never will. */
static void
story_add(struct story *story, const char *utc, const char *format, ...)
{
    char text[2048];
    struct story_event *event;
    int64_t at = 0;
    va_list args;

    if (!clock_parse_utc(utc, &at)) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    story->events = mem_grow(story->events, story->count + 1, sizeof *story->events);
    event = &story->events[story->count];
    event->at = at;
    event->number = story->count++;
    event->text = mem_strdup(text);
}

/* By time; what happened in the same second, as it was added. */
static int
story_compare(const void *a, const void *b)
{
    const struct story_event *left = a;
    const struct story_event *right = b;

    if (left->at != right->at) {
        return left->at < right->at ? -1 : 1;
    }
    return left->number < right->number ? -1 : 1;
}

static void
story_print_and_free(struct story *story)
{
    if (story->count > 0) {
        qsort(story->events, story->count, sizeof *story->events, story_compare);
    }
    for (size_t i = 0; i < story->count; i++) {
        char moment[CLOCK_LOCAL_SIZE];

        cmd_job_say("  %s  %s", clock_local_text(story->events[i].at, moment),
                    story->events[i].text);
        (void)printf("\n");
        mem_free(story->events[i].text);
    }
    mem_free(story->events);
}

/* Whether the wish that the row has is the first one. */
static bool
story_wish_is_first(const struct ledger_job *job, const struct db_result *events)
{
    for (int row = 0; row < db_rows(events); row++) {
        const char *what = db_text(events, row, LEDGER_EVENT_WHAT);

        if (db_int(events, row, LEDGER_EVENT_JOB) == job->id &&
            (strcmp(what, "made due") == 0 || strcmp(what, "scheduled again") == 0)) {
            return false;
        }
    }
    return true;
}

static void
story_add_origin(struct story *story, const struct ledger_job *job, const struct db_result *events)
{
    const char *at = job->orphaned_at;
    const char *wish = !story_wish_is_first(job, events)  ? ""
                       : strcmp(job->choice, "now") == 0  ? ", to be deleted at once"
                       : strcmp(job->choice, "keep") == 0 ? ", to be kept"
                                                          : "";
    char by[128] = "";

    if (*job->scheduled_by != '\0') {
        (void)snprintf(by, sizeof by, " (noted by %s)", job->scheduled_by);
    }
    if (strcmp(job->event, "uninstall") == 0) {
        story_add(story, at, "app %s was uninstalled, which left its image behind%s%s", job->appid,
                  wish, by);
    } else if (strcmp(job->event, "update") == 0) {
        story_add(story, at, "app %s was updated, which left its old image behind%s%s", job->appid,
                  wish, by);
    } else if (strcmp(job->event, "adopted") == 0) {
        story_add(story, at, "somebody had the image adopted ('harpsweep adopt')%s%s", wish, by);
    } else {
        story_add(story, at, "somebody made this job%s%s", wish, by);
    }
    if (job->oc_job_id >= 0) {
        story_add(story, at, "AppAPI queued its own clean-up for it, as its job %" PRId64,
                  job->oc_job_id);
    }
}

static void
story_add_grace(struct story *story, const struct ledger_job *job)
{
    int64_t ends = 0;
    bool known = clock_parse_utc(job->not_before, &ends);
    int64_t finished = 0;

    if (!job->is_open && known && clock_parse_utc(job->finished_at, &finished) && ends > finished) {
        return; /* it came to its end before */
    }
    if (job->grace_hours > 0) {
        story_add(story, job->not_before, "its grace of %" PRId64 " hour%s %s", job->grace_hours,
                  job->grace_hours == 1 ? "" : "s",
                  known && ends > clock_wall_ms() / 1000 ? "ends" : "ended");
    } else if (job->is_open) {
        story_add(story, job->not_before, "it may be deleted from here on");
    }
}

/* What the words of sql/history.sql mean, around who it was. */
struct story_words {
    const char *what;
    const char *before;
    const char *after;
};

static const struct story_words *
story_words_of(const char *what)
{
    static const struct story_words known[] = {
        {"planned", "", " fixed its grace"},
        {"result", "an attempt of the run ", " ended it"},
        {"retry", "an attempt of the run ", " failed"},
        {"in use", "the run ", " found it in use"},
        {"held", "the run ", " left it alone"},
        {"given back", "the run ", " gave it back untouched"},
        {"lost", "the run ", " was not heard of again"},
        {"scheduled again", "it was scheduled again, by ", ""},
        {"made due", "", " had it made due at once"},
        {"to be ended", "", " asked, while a run worked on it"},
        {"ended", "", " ended it"},
        {"reopened", "", " opened it again"},
        {"moved", "", " changed its due time"},
    };
    static const struct story_words other = {"", "", " changed it"}; /* a later schema's */

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].what, what) == 0) {
            return &known[i];
        }
    }
    return &other;
}

/* How it ended last is told with all that the row knows: story_add_end(). */
static bool
story_is_the_end(const struct ledger_job *job, const struct db_result *events, int row)
{
    bool is_last =
        row + 1 == db_rows(events) || db_int(events, row + 1, LEDGER_EVENT_JOB) != job->id;

    return is_last && !job->is_open &&
           strcmp(db_text(events, row, LEDGER_EVENT_TO), job->state) == 0;
}

static void
story_add_event(struct story *story, const struct db_result *events, int row)
{
    const char *detail = db_text(events, row, LEDGER_EVENT_DETAIL);
    const char *to = db_text(events, row, LEDGER_EVENT_TO);
    const struct story_words *words = story_words_of(db_text(events, row, LEDGER_EVENT_WHAT));
    bool ended = strcmp(to, "new") != 0 && strcmp(to, "pending") != 0 && strcmp(to, "claimed") != 0;
    int64_t status = db_int(events, row, LEDGER_EVENT_HTTP_STATUS);
    char http[48] = "";

    if (status > 0) {
        (void)snprintf(http, sizeof http, " (HTTP status %" PRId64 ")", status);
    }
    story_add(story, db_text(events, row, LEDGER_EVENT_AT), "%s%s%s%s%s%s%s%s", words->before,
              db_text(events, row, LEDGER_EVENT_WHO), words->after, ended ? ", as " : "",
              ended ? to : "", http, *detail == '\0' ? "" : ": ", detail);
}

static void
story_add_events(struct story *story, const struct ledger_job *job, const struct db_result *events)
{
    for (int row = 0; row < db_rows(events); row++) {
        if (db_int(events, row, LEDGER_EVENT_JOB) == job->id &&
            !story_is_the_end(job, events, row)) {
            story_add_event(story, events, row);
        }
    }
}

static void
story_add_attempts(struct story *story, const struct ledger_job *job)
{
    story_add(story, job->claimed_at, "the run %s took it up%s%s", job->claimed_by,
              job->attempts == 1 ? ", the first one" : "",
              strcmp(job->state, "claimed") == 0 && job->waits_s <= 0
                  ? " and was not heard of again"
                  : "");
    if (strcmp(job->state, "pending") == 0 && job->attempts > 0 && job->waits_s > 0) {
        story_add(story, job->next_at, "it is %s again",
                  *job->hold_reason != '\0' ? "looked at" : "tried");
    }
}

static void
story_add_end(struct story *story, const struct ledger_job *job)
{
    char size[TABLE_SIZE_SIZE];
    char more[256] = "";
    int length = 0;

    if (job->bytes_freed > 0) {
        length =
            snprintf(more, sizeof more, "; up to %s freed", table_size(job->bytes_freed, size));
    }
    if (*job->hold_reason != '\0' || *job->last_error != '\0') {
        story_add(story, job->finished_at, "it ended as %s%s: %s", job->state, more,
                  *job->hold_reason != '\0' ? job->hold_reason : job->last_error);
        return;
    }
    if (job->http_status > 0 && length >= 0) {
        (void)snprintf(more + length, sizeof more - (size_t)length,
                       "; HTTP status %" PRId64 " after %" PRId64 ".%" PRId64 " s",
                       job->http_status, job->duration_ms / 1000, job->duration_ms % 1000 / 100);
    }
    story_add(story, job->finished_at, "it ended as %s%s", job->state, more);
}

void
cmd_story_print(const struct ledger_job *job, const struct db_result *events)
{
    struct story story = {.count = 0};

    story_add_origin(&story, job, events);
    story_add_grace(&story, job);
    story_add_events(&story, job, events);
    story_add_attempts(&story, job);
    story_add_end(&story, job);
    story_print_and_free(&story);
}

void
cmd_story_write_json(struct json_out *json, const struct ledger_job *job,
                     const struct db_result *events)
{
    json_out_open_array(json, "events");
    for (int row = 0; row < db_rows(events); row++) {
        if (db_int(events, row, LEDGER_EVENT_JOB) != job->id) {
            continue;
        }
        json_out_open_object(json, NULL);
        json_out_text(json, "at", db_text(events, row, LEDGER_EVENT_AT));
        json_out_text(json, "what", db_text(events, row, LEDGER_EVENT_WHAT));
        json_out_text(json, "from_state", db_text(events, row, LEDGER_EVENT_FROM));
        json_out_text(json, "to_state", db_text(events, row, LEDGER_EVENT_TO));
        json_out_int(json, "attempt", db_int(events, row, LEDGER_EVENT_ATTEMPT));
        json_out_text(json, "who", db_text(events, row, LEDGER_EVENT_WHO));
        if (db_is_null(events, row, LEDGER_EVENT_HTTP_STATUS)) {
            json_out_null(json, "http_status");
        } else {
            json_out_int(json, "http_status", db_int(events, row, LEDGER_EVENT_HTTP_STATUS));
        }
        json_out_text_or_null(json, "detail", db_text(events, row, LEDGER_EVENT_DETAIL));
        json_out_close_object(json);
    }
    json_out_close_array(json);
}

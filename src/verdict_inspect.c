#include "imageref.h"
#include "reply.h"
#include "verdict_rows.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* What Docker said about an image, and what the job says about it. */
struct verdict_view {
    const struct reply_image *image;
    const struct verdict_job *job;
    /* What was inspected was an ID, not a name: 64 hex digits of it, or NULL. */
    const char *asked_hex;
};

/* The digits of an ID, with or without its "sha256:". */
static const char *
verdict_id_hex(const char *id)
{
    return strncmp(id, "sha256:", 7) == 0 ? id + 7 : id;
}

/* NULL where the job asked for a name. */
static const char *
verdict_asked_hex(const struct verdict_job *job)
{
    if (job->by_id && job->image_id != NULL) {
        return verdict_id_hex(job->image_id);
    }
    return imageref_kind(job->image_ref) == IMAGEREF_ID ? verdict_id_hex(job->image_ref) : NULL;
}

/* A recorded ID that has not been asked for yet. */
static bool
verdict_has_other_id(const struct verdict_job *job)
{
    const char *asked = verdict_asked_hex(job);

    return !job->by_id && job->image_id != NULL &&
           (asked == NULL || strcmp(asked, verdict_id_hex(job->image_id)) != 0);
}

static struct verdict
verdict_go_on(enum verdict_target target, enum verdict_target *ret_target)
{
    *ret_target = target;
    return verdict_make(VERDICT_GO_ON, "%s", "");
}

static void
verdict_format_time(int64_t ms, char text[32])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;

    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) {
        (void)snprintf(text, 32, "?");
    }
}

/* The clocks are the engine's and the database's: a tag that was set in the same moment was set
 * by the deploy that the event ended. */
static struct verdict
verdict_of_late_tag(const struct verdict_view *view)
{
    char tagged[32];
    char orphaned[32];

    verdict_format_time(view->image->last_tag_ms, tagged);
    verdict_format_time(view->job->orphaned_at_ms, orphaned);
    return verdict_make(VERDICT_WAIT, "the tag was set again at %s, after the event at %s", tagged,
                        orphaned);
}

/* The guards that hold for whatever is about to be deleted. */
static struct verdict
verdict_guard(const struct verdict_view *view, enum verdict_target target,
              enum verdict_target *ret_target)
{
    struct verdict verdict;

    if (view->image->last_tag_ms > view->job->orphaned_at_ms) {
        return verdict_of_late_tag(view);
    }
    if (view->job->protect_unpullable && !view->job->explicit_now &&
        view->image->digest_count == 0) {
        verdict = verdict_make(VERDICT_HOLD, "image has no registry digest: it was loaded by hand "
                                             "and could not be pulled again");
        (void)snprintf(verdict.hint, sizeof verdict.hint, "protect_unpullable = no lets it go");
        return verdict;
    }
    return verdict_go_on(target, ret_target);
}

/* Docker's names end in a tag; whatever does not may be anything, a repeated key included, and is
 * not quoted. */
static struct verdict
verdict_of_named(const char *name)
{
    const char *colon = strrchr(name, ':');

    if (imageref_kind(name) == IMAGEREF_NAME && colon != NULL && strchr(colon, '/') == NULL) {
        return verdict_make(VERDICT_WAIT, "the recorded image is still named %.120s", name);
    }
    return verdict_make(VERDICT_WAIT, "the recorded image still has a name");
}

/* Asked for an ID: Docker must speak of that image. */
static struct verdict
verdict_of_image_by_id(const struct verdict_view *view, enum verdict_target *ret_target)
{
    const struct reply_image *image = view->image;

    if (strcmp(verdict_id_hex(image->id), view->asked_hex) != 0) {
        return verdict_make(VERDICT_HOLD, "asked for image %.19s, Docker told of %.19s",
                            view->asked_hex, verdict_id_hex(image->id));
    }
    if (verdict_has_other_id(view->job)) {
        return verdict_go_on(VERDICT_TARGET_INSPECT_ID, ret_target);
    }
    if (!view->job->by_id) {
        /* The container was made from an ID. One name goes with it; with more Docker refuses. */
        return verdict_guard(view, VERDICT_TARGET_REF, ret_target);
    }
    if (image->tag_count > 0) {
        return verdict_of_named(image->first_tag);
    }
    return verdict_guard(view, VERDICT_TARGET_ID, ret_target);
}

static struct verdict
verdict_of_view(const struct verdict_view *view, enum verdict_target *ret_target)
{
    const struct verdict_job *job = view->job;

    if (view->asked_hex != NULL) {
        return verdict_of_image_by_id(view, ret_target);
    }
    if (job->image_id != NULL && strcmp(view->image->id, job->image_id) != 0) {
        return verdict_go_on(VERDICT_TARGET_INSPECT_ID, ret_target);
    }
    return verdict_guard(view, VERDICT_TARGET_REF, ret_target);
}

static struct verdict
verdict_of_image(const struct http_answer *answer, const struct verdict_job *job,
                 enum verdict_target *ret_target)
{
    const struct reply_image image = reply_image_parse(answer->body, answer->length);
    const struct verdict_view view = {&image, job, verdict_asked_hex(job)};
    struct verdict verdict;

    if (verdict_body_of(answer) != VERDICT_BODY_JSON || !image.valid) {
        return verdict_of_stranger(answer);
    }
    verdict = verdict_of_view(&view, ret_target);
    verdict.image_size = image.size;
    (void)snprintf(verdict.image_id, sizeof verdict.image_id, "%s", image.id);
    return verdict;
}

struct verdict
verdict_of_inspect(const struct http_answer *answer, const struct verdict_job *job,
                   enum verdict_target *ret_target)
{
    bool is_json = verdict_body_of(answer) == VERDICT_BODY_JSON;

    if (answer->transport == HTTP_TOO_LARGE && answer->status == 200 && is_json) {
        return verdict_make(VERDICT_RETRY,
                            "what Docker tells about this image is larger than the "
                            "%d KiB that are read",
                            HTTP_BODY_MAX / 1024);
    }
    if (answer->transport != HTTP_ANSWERED) {
        return verdict_of_rest(answer, VERDICT_ASK_INSPECT);
    }
    if (answer->status == 200) {
        return verdict_of_image(answer, job, ret_target);
    }
    if (answer->status == 404 && is_json &&
        reply_message_parse(answer->body, answer->length) == REPLY_MESSAGE_NO_SUCH_IMAGE) {
        return verdict_has_other_id(job)
                   ? verdict_go_on(VERDICT_TARGET_INSPECT_ID, ret_target)
                   : verdict_make_done(VERDICT_ABSENT, "the image was gone already");
    }
    if (answer->status == 400 && is_json &&
        reply_message_parse(answer->body, answer->length) == REPLY_MESSAGE_INVALID_REFERENCE) {
        return verdict_make(VERDICT_FAIL, "Docker refuses the image reference (HTTP 400)");
    }
    return verdict_of_rest(answer, VERDICT_ASK_INSPECT);
}

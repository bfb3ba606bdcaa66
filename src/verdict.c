#include "verdict.h"

#include "reply.h"
#include "verdict_rows.h"

#include <stdio.h>
#include <string.h>

const char *
verdict_state_name(enum verdict_state state)
{
    switch (state) {
    case VERDICT_REMOVED:
        return "removed";
    case VERDICT_UNTAGGED:
        return "untagged";
    case VERDICT_ABSENT:
        return "absent";
    case VERDICT_UNSUPPORTED:
        return "unsupported";
    case VERDICT_NONE:
        break;
    }
    return "";
}

const char *
verdict_stop_name(enum verdict_stop stop)
{
    switch (stop) {
    case VERDICT_STOP_DOWN:
        return "down";
    case VERDICT_STOP_TLS:
        return "tls";
    case VERDICT_STOP_UNAUTHORIZED:
        return "unauthorized";
    case VERDICT_STOP_SILENT:
        return "silent";
    case VERDICT_STOP_TOO_OLD:
        return "too_old";
    case VERDICT_STOP_NOT_HARP:
        return "not_harp";
    case VERDICT_STOP_CONFIGURATION:
        return "configuration";
    case VERDICT_STOP_FORBIDDEN:
        return "forbidden";
    case VERDICT_STOP_NONE:
        break;
    }
    return "";
}

struct verdict
verdict_of_info(const struct http_answer *answer, char ret_version[32])
{
    struct reply_info info;

    ret_version[0] = '\0';
    if (answer->transport != HTTP_ANSWERED || answer->status != 200) {
        return verdict_of_rest(answer, VERDICT_ASK_INFO);
    }
    if (verdict_body_of(answer) != VERDICT_BODY_JSON) {
        return verdict_of_stranger(answer);
    }
    info = reply_info_parse(answer->body, answer->length);
    (void)snprintf(ret_version, 32, "%s", info.version);
    switch (info.kind) {
    case REPLY_INFO_OK:
        return verdict_make(VERDICT_GO_ON, "%s", "");
    case REPLY_INFO_TOO_OLD:
        return verdict_make_stop(VERDICT_STOP_TOO_OLD, "update HaRP to 0.4.1 or later",
                                 "HaRP %s can't remove images", info.version);
    case REPLY_INFO_NO_DOCKER:
        return verdict_make_stop(VERDICT_STOP_CONFIGURATION,
                                 "is this the HaRP of the Docker daemon that holds the images?",
                                 "HaRP %s says that it has no Docker Engine", info.version);
    case REPLY_INFO_UNKNOWN:
        break;
    }
    return verdict_of_stranger(answer);
}

static struct verdict
verdict_of_removal_reply(const struct http_answer *answer)
{
    struct reply_removal removal = reply_removal_parse(answer->body, answer->length);
    struct verdict verdict;

    switch (removal.kind) {
    case REPLY_REMOVAL_DELETED:
        /* Also what HaRP says of an image whose size is 0; either way its name is gone. */
        if (removal.bytes_freed == 0) {
            return verdict_make_done(VERDICT_UNTAGGED,
                                     "only its name was removed: another name or image still "
                                     "needs what is behind it, or it had no size");
        }
        verdict = verdict_make_done(VERDICT_REMOVED, "%s", "");
        verdict.bytes_freed = removal.bytes_freed;
        return verdict;
    case REPLY_REMOVAL_NOT_FOUND:
        return verdict_make_done(VERDICT_ABSENT, "the image was gone already");
    case REPLY_REMOVAL_IN_USE:
        return verdict_make(VERDICT_WAIT, "in use: a container (also a stopped one), another image "
                                          "or several names need it");
    case REPLY_REMOVAL_UNKNOWN:
        break;
    }
    return verdict_of_stranger(answer);
}

/* The NNN of "Error removing image '…' via Docker Engine: Status NNN"; 0 for any other body. What
 * stands between the quotes is the reference as it was sent, and may hold anything. */
static int
verdict_engine_status(const struct http_answer *answer)
{
    static const char head[] = "Error removing image '";
    static const char tail[] = "' via Docker Engine: Status ";
    const size_t fixed = sizeof head - 1 + sizeof tail - 1 + 3;
    size_t length = verdict_trimmed_length(answer);
    const char *digits;

    if (verdict_body_of(answer) != VERDICT_BODY_TEXT || length < fixed) {
        return 0;
    }
    digits = answer->body + length - 3;
    if (memcmp(answer->body, head, sizeof head - 1) != 0 ||
        memcmp(digits - (sizeof tail - 1), tail, sizeof tail - 1) != 0 ||
        strspn(digits, "0123456789") < 3) {
        return 0;
    }
    return (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
}

static struct verdict
verdict_of_engine(int status)
{
    switch (status) {
    case 400:
        return verdict_make(VERDICT_FAIL, "Docker refuses the image reference (Docker status 400)");
    case 401:
    case 403:
        return verdict_make_stop(VERDICT_STOP_FORBIDDEN,
                                 "Docker's authorization plugin or socket proxy must allow "
                                 "DELETE on images",
                                 "Docker forbids removing images (Docker status %d)", status);
    default:
        return verdict_make(VERDICT_RETRY, "Docker could not remove the image (Docker status %d)",
                            status);
    }
}

struct verdict
verdict_of_removal(const struct http_answer *answer)
{
    if (answer->transport == HTTP_ANSWERED && answer->status == 200) {
        return verdict_body_of(answer) == VERDICT_BODY_JSON ? verdict_of_removal_reply(answer)
                                                            : verdict_of_stranger(answer);
    }
    if (answer->transport == HTTP_ANSWERED && answer->status == 503) {
        int status = verdict_engine_status(answer);

        if (status != 0) {
            return verdict_of_engine(status);
        }
    }
    return verdict_of_rest(answer, VERDICT_ASK_REMOVAL);
}

#include "imageref.h"
#include "reply.h"
#include "verdict_rows.h"

#include <stdio.h>
#include <string.h>

struct verdict
verdict_of_container(const struct http_answer *answer, struct verdict_container *ret_container)
{
    bool is_json = verdict_body_of(answer) == VERDICT_BODY_JSON;

    memset(ret_container, 0, sizeof *ret_container);
    if (answer->transport == HTTP_TOO_LARGE && answer->status == 200 && is_json) {
        return verdict_make(VERDICT_RETRY,
                            "what Docker tells about this container is larger than the "
                            "%d KiB that are read",
                            HTTP_BODY_MAX / 1024);
    }
    if (answer->transport != HTTP_ANSWERED) {
        return verdict_of_rest(answer, VERDICT_ASK_INSPECT);
    }
    if (answer->status == 200) {
        const struct reply_container container =
            is_json ? reply_container_parse(answer->body, answer->length)
                    : (struct reply_container){.valid = false};

        if (!container.valid) {
            return verdict_of_stranger(answer);
        }
        ret_container->exists = true;
        (void)snprintf(ret_container->image_id, sizeof ret_container->image_id, "%s",
                       container.image_id);
        /* What nobody could delete by is no reference to remember: its image has an ID. */
        (void)snprintf(ret_container->image_ref, sizeof ret_container->image_ref, "%s",
                       imageref_kind(container.image_ref) == IMAGEREF_INVALID
                           ? container.image_id
                           : container.image_ref);
        (void)snprintf(ret_container->status, sizeof ret_container->status, "%s", container.status);
        return verdict_make(VERDICT_GO_ON, "%s", "");
    }
    if (answer->status == 404 && is_json &&
        reply_message_parse(answer->body, answer->length) == REPLY_MESSAGE_NO_SUCH_CONTAINER) {
        return verdict_make(VERDICT_GO_ON, "%s", "");
    }
    return verdict_of_rest(answer, VERDICT_ASK_INSPECT);
}

/*
 * HaRP's and Docker's answers, and what verdict*.c makes of them, against another reading of the
 * protocol's tables.
 *
 * Input: what was asked (0 info, 1 inspect, 2 image_remove, 3 container), what became of the
 * request (0 an answer, 1… enum http_transport), the job (see job_of()), three digits of a status,
 * the content type up to the end of the line; the rest is the body.
 */
#define _GNU_SOURCE /* strptime, strcasestr, timegm */
#include "answer_oracle.h"

/* Between the events of the corpus: 2026-11-23 03:36:00 UTC. */
#define ORPHANED_AT_MS (INT64_C(1795404960) * 1000)

static struct verdict_job
job_of(unsigned choice)
{
    static const char *const refs[] = {"ghcr.io/nextcloud/app:1", "sha256:" ORACLE_HEX_ONE,
                                       ORACLE_HEX_ONE, "app@sha256:" ORACLE_HEX_TWO};
    static const char *const ids[] = {NULL, "sha256:" ORACLE_HEX_ONE, "sha256:" ORACLE_HEX_TWO};
    unsigned id = choice % 3;

    return (struct verdict_job){
        .image_ref = refs[choice / 3 % 4],
        .image_id = ids[id],
        .orphaned_at_ms = ORPHANED_AT_MS,
        .by_id = id != 0 && choice / 12 % 2 == 1,
        .explicit_now = choice / 24 % 2 == 1,
        .protect_unpullable = choice / 48 % 2 == 0,
    };
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    unsigned question = fuzz_choice(&input, 4);
    enum http_transport transport = (enum http_transport)fuzz_choice(&input, HTTP_LATE + 1);
    const struct verdict_job job = job_of(fuzz_choice(&input, 96));
    long status = 0;
    char *type;
    char *body;
    struct http_answer answer;
    struct verdict verdict;
    enum verdict_target target = VERDICT_TARGET_REF;
    struct verdict_container container;
    char version[32];

    for (int i = 0; i < 3; i++) {
        status = status * 10 + (long)fuzz_choice(&input, 10);
    }
    type = fuzz_field(&input, '\n');
    body = fuzz_copy(input.data, input.size);
    answer = (struct http_answer){
        .transport = transport,
        .detail = transport == HTTP_ANSWERED ? "" : type, /* libcurl's words may be anything */
        .status = status,
        .content_type = type,
        .body = body,
        .length = input.size,
        .duration_ms = 12,
    };
    switch (question) {
    case 0:
        verdict = verdict_of_info(&answer, version);
        oracle_check_info(&answer, &verdict, version);
        break;
    case 1:
        verdict = verdict_of_inspect(&answer, &job, &target);
        oracle_check_inspect(&answer, &job, &verdict, target);
        break;
    case 2:
        verdict = verdict_of_removal(&answer);
        oracle_check_removal(&answer, &verdict);
        break;
    default:
        verdict = verdict_of_container(&answer, &container);
        oracle_check_container(&answer, &verdict, &container);
        break;
    }
    free(type);
    free(body);
    return 0;
}

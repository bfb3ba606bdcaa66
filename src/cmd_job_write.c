/* A job for other programs: all of its columns, exactly, as JSON or CSV. */
#include "cmd_job.h"

#include <stddef.h>

enum job_field_kind {
    JOB_NUMBER, /* int64_t; negative: null */
    JOB_WORD,   /* const char *, of harpsweep's own making; "": null */
    JOB_TEXT,   /* the same, but anybody may have chosen it */
};

struct job_field {
    const char *name; /* that of the column */
    enum job_field_kind kind;
    size_t offset; /* in struct ledger_job */
};

#define FIELD(name, kind)                              \
    {                                                  \
#name, kind, offsetof(struct ledger_job, name) \
    }

/* What other programs read: a name that was here once stays. */
static const struct job_field job_fields[] = {
    FIELD(id, JOB_NUMBER),          FIELD(state, JOB_WORD),
    FIELD(daemon, JOB_TEXT),        FIELD(appid, JOB_TEXT),
    FIELD(image_ref, JOB_TEXT),     FIELD(image_id, JOB_TEXT),
    FIELD(event, JOB_WORD),         FIELD(choice, JOB_WORD),
    FIELD(orphaned_at, JOB_WORD),   FIELD(grace_hours, JOB_NUMBER),
    FIELD(not_before, JOB_WORD),    FIELD(next_at, JOB_WORD),
    FIELD(finished_at, JOB_WORD),   FIELD(attempts, JOB_NUMBER),
    FIELD(failures, JOB_NUMBER),    FIELD(rechecks, JOB_NUMBER),
    FIELD(lost_claims, JOB_NUMBER), FIELD(claimed_by, JOB_TEXT),
    FIELD(claimed_at, JOB_WORD),    FIELD(end_wanted, JOB_WORD),
    FIELD(hold_reason, JOB_TEXT),   FIELD(last_error, JOB_TEXT),
    FIELD(http_status, JOB_NUMBER), FIELD(bytes_freed, JOB_NUMBER),
    FIELD(duration_ms, JOB_NUMBER), FIELD(protocol, JOB_WORD),
    FIELD(host, JOB_TEXT),          FIELD(docker_socket_port, JOB_NUMBER),
    FIELD(oc_job_id, JOB_NUMBER),   FIELD(scheduled_by, JOB_TEXT),
};

#undef FIELD

#define JOB_FIELDS (sizeof job_fields / sizeof *job_fields)

static int64_t
cmd_job_number(const struct ledger_job *job, const struct job_field *field)
{
    const void *value = (const char *)job + field->offset;

    return *(const int64_t *)value;
}

static const char *
cmd_job_text(const struct ledger_job *job, const struct job_field *field)
{
    const void *value = (const char *)job + field->offset;

    return *(const char *const *)value;
}

void
cmd_job_open_json(struct json_out *json, const struct ledger_job *job)
{
    json_out_open_object(json, NULL);
    for (size_t i = 0; i < JOB_FIELDS; i++) {
        const struct job_field *field = &job_fields[i];

        if (field->kind != JOB_NUMBER) {
            json_out_text_or_null(json, field->name, cmd_job_text(job, field));
        } else if (cmd_job_number(job, field) < 0) {
            json_out_null(json, field->name);
        } else {
            json_out_int(json, field->name, cmd_job_number(job, field));
        }
    }
}

void
cmd_job_write_csv_names(struct csv_out *csv)
{
    for (size_t i = 0; i < JOB_FIELDS; i++) {
        csv_out_text(csv, job_fields[i].name);
    }
    csv_out_end_line(csv);
}

void
cmd_job_write_csv(struct csv_out *csv, const struct ledger_job *job)
{
    for (size_t i = 0; i < JOB_FIELDS; i++) {
        const struct job_field *field = &job_fields[i];

        if (field->kind == JOB_TEXT) {
            csv_out_foreign(csv, cmd_job_text(job, field));
        } else if (field->kind == JOB_WORD) {
            csv_out_text(csv, cmd_job_text(job, field));
        } else if (cmd_job_number(job, field) < 0) {
            csv_out_text(csv, "");
        } else {
            csv_out_int(csv, cmd_job_number(job, field));
        }
    }
    csv_out_end_line(csv);
}

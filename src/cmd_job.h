/*
 * A job, printed: what several commands share.
 */
#ifndef HARPSWEEP_CMD_JOB_H
#define HARPSWEEP_CMD_JOB_H

#include "cmd_session.h"
#include "json_out.h"
#include "ledger.h"

/* All columns, exact values, as one object. */
void cmd_job_write_json(struct json_out *json, const struct ledger_job *job);

/* What happens to the job next, in a sentence that ends without a newline, printable. */
void cmd_job_print_next(const struct ledger_job *job, const struct cmd_session *session);

#endif

/*
 * A job, printed: what several commands share.
 */
#ifndef HARPSWEEP_CMD_JOB_H
#define HARPSWEEP_CMD_JOB_H

#include "clock.h"
#include "cmd_session.h"
#include "color.h"
#include "csv_out.h"
#include "json_out.h"
#include "ledger.h"

/* All columns, exact values, as one object. */
void cmd_job_open_json(struct json_out *json, const struct ledger_job *job);

/* The same as a line of CSV, and the line of names that comes first. */
void cmd_job_write_csv_names(struct csv_out *csv);
void cmd_job_write_csv(struct csv_out *csv, const struct ledger_job *job);

/* How a state looks on a terminal. */
enum color cmd_job_color(const struct ledger_job *job);

/* Like printf on standard output, with what comes out of the database made printable. */
void cmd_job_say(const char *format, ...) PRINTF_LIKE(1, 2);

/* A moment of a query in the reader's zone; anything else ("infinity") as it is. */
const char *cmd_job_moment(const char *utc, char ret_text[CLOCK_LOCAL_SIZE]);

/* Says that there is no such job, or that an app has none (which: "that is still open", …). */
void cmd_job_log_missing(int64_t id);
void cmd_job_log_none(const char *app, const char *daemon, const char *which);

/* What happens to the job next, in a sentence that ends without a newline, printable. */
void cmd_job_print_next(const struct ledger_job *job, const struct cmd_session *session);

#endif

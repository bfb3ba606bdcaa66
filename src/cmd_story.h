/*
 * The story of a job: what happened when, in words, in the order of time.
 */
#ifndef HARPSWEEP_CMD_STORY_H
#define HARPSWEEP_CMD_STORY_H

#include "json_out.h"
#include "ledger.h"

/* Prints a line for each thing that is known to have happened, or to come. The only place where a
 * story is put together. */
void cmd_story_print(const struct ledger_job *job, const struct db_result *events);

/* The job's events as an array "events". events: what ledger_events() gave, for any jobs. */
void cmd_story_write_json(struct json_out *json, const struct ledger_job *job,
                          const struct db_result *events);

#endif

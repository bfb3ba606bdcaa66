/*
 * The story of a job: what happened when, in words, in the order of time.
 */
#ifndef HARPSWEEP_CMD_STORY_H
#define HARPSWEEP_CMD_STORY_H

#include "ledger.h"

/* Prints a line for each thing that is known to have happened, or to come. The only place where a
 * story is put together. */
void cmd_story_print(const struct ledger_job *job);

#endif

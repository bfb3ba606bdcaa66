/*
 * How a run under way is told to whoever watches it: from figures to a few lines of text.
 */
#ifndef HARPSWEEP_CMD_PROGRESS_H
#define HARPSWEEP_CMD_PROGRESS_H

#include "buf.h"
#include "sweep.h"

struct progress {
    size_t instances; /* 0: one run; else the sums of so many, … */
    size_t instances_done;
    int64_t stopped; /* … and their daemons that were stopped */
    struct sweep_view view;
    int64_t recent_jobs; /* done in the last while, … */
    int64_t recent_ms;   /* … which was so long; 0: too early to tell */
};

/* Fewer columns than this show nothing. */
#define CMD_PROGRESS_COLUMNS_MIN 8

/* Adds the lines, '\n' between them, fit for a terminal of that size: a first one of the whole, one
 * for each daemon as far as there is room. */
void cmd_progress_text(const struct progress *progress, size_t columns, size_t rows, bool colored,
                       struct buf *out);

#endif

/*
 * Asks every daemon who it is: /info, then, where that was answered well, Docker's _ping. Deletes
 * nothing, and after a wrong key sends nothing more: ten wrong keys make HaRP ban the address.
 */
#ifndef HARPSWEEP_PROBE_H
#define HARPSWEEP_PROBE_H

#include "err.h"
#include "roster.h"

#include <stdbool.h>

struct probe_result {
    bool harp_ok;      /* /info was answered as a HaRP that can delete does */
    bool docker_ok;    /* and Docker answered */
    char version[32];  /* HaRP's; "" where it did not tell */
    char reason[1024]; /* what is wrong; "" where nothing is */
    char hint[512];    /* what to do about it */
};

/* Fills ret_results, one per daemon of the roster, in its order; those with a problem are not
 * asked. False only where the program itself cannot ask; a signal to stop ends it early, with what
 * was not asked yet marked so. */
bool probe_daemons(const struct roster *roster, const struct conf *conf,
                   struct probe_result *ret_results, struct err *err) MUST_CHECK;

#endif

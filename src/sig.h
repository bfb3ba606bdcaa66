/*
 * SIGTERM and SIGINT ask a run to stop: the first one lets running requests
 * finish, a second one does not.
 */
#ifndef HARPSWEEP_SIG_H
#define HARPSWEEP_SIG_H

/* Catches SIGTERM and SIGINT, ignores SIGPIPE. */
void sig_install(void);

/* How many SIGTERM and SIGINT have arrived since. */
int sig_stops(void);

#endif

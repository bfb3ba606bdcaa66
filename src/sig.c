#include "sig.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t sig_count;

static void
sig_caught(int number)
{
    (void)number;
    if (sig_count < 2) {
        sig_count++;
    }
}

void
sig_install(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    (void)sigemptyset(&action.sa_mask);
    action.sa_handler = sig_caught;
    /* No SA_RESTART: a wait has to end at once. */
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

int
sig_stops(void)
{
    return sig_count;
}

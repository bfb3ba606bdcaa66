/*
 * Two clocks. The boot clock measures spans and goes on while the host sleeps:
 * a lease must not outlive its time because a laptop was closed. The wall clock
 * is only ever compared with the database's, to find out that they differ.
 */
#ifndef HARPSWEEP_CLOCK_H
#define HARPSWEEP_CLOCK_H

#include <stdint.h>

/* Milliseconds since the host was booted, suspend included (CLOCK_BOOTTIME). */
int64_t clock_boot_ms(void);

/* Milliseconds since 1970 in UTC (CLOCK_REALTIME). */
int64_t clock_wall_ms(void);

#endif

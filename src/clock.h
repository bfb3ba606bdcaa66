/*
 * Two clocks, and their readings in the zone of whoever reads. The boot clock measures spans and
 * goes on while the host sleeps: a lease must not outlive its time because a laptop was closed. The
 * wall clock is only ever compared with the database's, to find out that they differ.
 */
#ifndef HARPSWEEP_CLOCK_H
#define HARPSWEEP_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds since the host was booted, suspend included (CLOCK_BOOTTIME). */
int64_t clock_boot_ms(void);

/* Milliseconds since 1970 in UTC (CLOCK_REALTIME). */
int64_t clock_wall_ms(void);

/* Seconds since 1970 of a moment as the queries write it: UTC in ISO 8601,
 * "2026-03-01T14:05:09Z", with or without milliseconds. False for anything
 * else ("", "infinity"). */
bool clock_parse_utc(const char *text, int64_t *ret_seconds);

/* The same of a moment as people write it, "2026-03-01" or "2026-03-01 14:05" (or with a T and
 * seconds), in the zone of TZ or the host. */
bool clock_parse_local(const char *text, int64_t *ret_seconds);

/* A moment in that zone, with its name: "2026-03-01 15:05:09 CET". */
#define CLOCK_LOCAL_SIZE 64
const char *clock_local_text(int64_t seconds, char ret_text[CLOCK_LOCAL_SIZE]);

/* A day of that zone: the second in which it begins, and its date, "2026-03-01". ahead counts from
 * the day of the moment on, backwards where it is negative. Days of 23 and 25 hours, and those that
 * begin at one in the morning because midnight is left out, are what they are. */
#define CLOCK_DAY_SIZE 16
int64_t clock_local_day(int64_t seconds, int ahead, char ret_date[CLOCK_DAY_SIZE]);

/* The zone's name at a moment: "CET". */
#define CLOCK_ZONE_SIZE 32
const char *clock_local_zone(int64_t seconds, char ret_zone[CLOCK_ZONE_SIZE]);

/* A moment in UTC as the queries write it: "2026-03-01T14:05:09Z". */
#define CLOCK_UTC_SIZE 32
const char *clock_utc_text(int64_t seconds, char ret_text[CLOCK_UTC_SIZE]);

#endif

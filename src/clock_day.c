/* Days, zones and moments that are written rather than read. */
#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Whether a moment is of the day in parts. */
static bool
clock_is_of_day(time_t moment, const struct tm *parts)
{
    struct tm there;

    return localtime_r(&moment, &there) != NULL && there.tm_yday == parts->tm_yday &&
           there.tm_year == parts->tm_year;
}

int64_t
clock_local_day(int64_t seconds, int ahead, char ret_date[CLOCK_DAY_SIZE])
{
    time_t moment = (time_t)seconds;
    struct tm parts;
    time_t in;
    time_t before;

    tzset();
    memset(&parts, 0, sizeof parts);
    (void)localtime_r(&moment, &parts);
    /* No zone ever left out a noon: from there on the beginning is looked for. */
    parts.tm_mday += ahead;
    parts.tm_hour = 12;
    parts.tm_min = parts.tm_sec = 0;
    parts.tm_isdst = -1;
    in = mktime(&parts);
    before = in - 86400;
    while (in - before > 1) {
        time_t middle = before + (in - before) / 2;

        if (clock_is_of_day(middle, &parts)) {
            in = middle;
        } else {
            before = middle;
        }
    }
    if (strftime(ret_date, CLOCK_DAY_SIZE, "%Y-%m-%d", &parts) == 0) {
        (void)snprintf(ret_date, CLOCK_DAY_SIZE, "?");
    }
    return (int64_t)in;
}

const char *
clock_local_zone(int64_t seconds, char ret_zone[CLOCK_ZONE_SIZE])
{
    time_t moment = (time_t)seconds;
    struct tm parts;

    tzset();
    if (localtime_r(&moment, &parts) == NULL ||
        strftime(ret_zone, CLOCK_ZONE_SIZE, "%Z", &parts) == 0) {
        (void)snprintf(ret_zone, CLOCK_ZONE_SIZE, "?");
    }
    return ret_zone;
}

const char *
clock_utc_text(int64_t seconds, char ret_text[CLOCK_UTC_SIZE])
{
    time_t moment = (time_t)seconds;
    struct tm parts;

    if (gmtime_r(&moment, &parts) == NULL ||
        strftime(ret_text, CLOCK_UTC_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
        (void)snprintf(ret_text, CLOCK_UTC_SIZE, "?");
    }
    return ret_text;
}

#include "clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* What a moment is made of; month and day from 1 on. */
struct clock_civil {
    int year;
    int month;
    int day;
    int hour;
    int minute;
    int second;
};

/* Exactly count digits at *text, which moves on. */
static bool
clock_digits(const char **text, int count, int min, int max, int *ret_number)
{
    int number = 0;

    for (int i = 0; i < count; i++) {
        if (**text < '0' || **text > '9') {
            return false;
        }
        number = number * 10 + (*(*text)++ - '0');
    }
    *ret_number = number;
    return number >= min && number <= max;
}

static bool
clock_skip(const char **text, const char *any_of)
{
    if (**text == '\0' || strchr(any_of, **text) == NULL) {
        return false;
    }
    (*text)++;
    return true;
}

static bool
clock_date(const char **text, struct clock_civil *civil)
{
    return clock_digits(text, 4, 1970, 9999, &civil->year) && clock_skip(text, "-") &&
           clock_digits(text, 2, 1, 12, &civil->month) && clock_skip(text, "-") &&
           clock_digits(text, 2, 1, 31, &civil->day);
}

/* HH:MM, and :SS where it follows. */
static bool
clock_time(const char **text, struct clock_civil *civil)
{
    return clock_digits(text, 2, 0, 23, &civil->hour) && clock_skip(text, ":") &&
           clock_digits(text, 2, 0, 59, &civil->minute) &&
           (!clock_skip(text, ":") || clock_digits(text, 2, 0, 60, &civil->second));
}

/* Days from 1970-01-01 to a date of the Gregorian calendar: years begin in March, so that the leap
 * day is their last. */
static int64_t
clock_days(const struct clock_civil *civil)
{
    int64_t year = civil->month > 2 ? civil->year : civil->year - 1;
    int64_t month = civil->month > 2 ? civil->month - 3 : civil->month + 9;

    return year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + civil->day -
           1 - 719468;
}

bool
clock_parse_utc(const char *text, int64_t *ret_seconds)
{
    struct clock_civil civil = {.second = 0};

    if (!clock_date(&text, &civil) || !clock_skip(&text, "T") || !clock_time(&text, &civil)) {
        return false;
    }
    if (clock_skip(&text, ".")) {
        text += strspn(text, "0123456789");
    }
    if (strcmp(text, "Z") != 0) {
        return false;
    }
    *ret_seconds = clock_days(&civil) * 86400 + INT64_C(3600) * civil.hour +
                   INT64_C(60) * civil.minute + civil.second;
    return true;
}

bool
clock_parse_local(const char *text, int64_t *ret_seconds)
{
    struct clock_civil civil = {.second = 0};
    struct tm parts;
    time_t moment;

    if (!clock_date(&text, &civil) || (clock_skip(&text, " T") && !clock_time(&text, &civil)) ||
        *text != '\0') {
        return false;
    }
    memset(&parts, 0, sizeof parts);
    parts.tm_year = civil.year - 1900;
    parts.tm_mon = civil.month - 1;
    parts.tm_mday = civil.day;
    parts.tm_hour = civil.hour;
    parts.tm_min = civil.minute;
    parts.tm_sec = civil.second;
    parts.tm_isdst = -1; /* as it was in the zone then */
    moment = mktime(&parts);
    /* The 30th of February would have become a day of March. */
    if (moment == (time_t)-1 || parts.tm_mday != civil.day) {
        return false;
    }
    *ret_seconds = (int64_t)moment;
    return true;
}

const char *
clock_local_text(int64_t seconds, char ret_text[CLOCK_LOCAL_SIZE])
{
    time_t moment = (time_t)seconds;
    struct tm parts;

    tzset(); /* localtime_r() need not do it */
    if (localtime_r(&moment, &parts) == NULL ||
        strftime(ret_text, CLOCK_LOCAL_SIZE, "%Y-%m-%d %H:%M:%S %Z", &parts) == 0) {
        (void)snprintf(ret_text, CLOCK_LOCAL_SIZE, "?");
    }
    return ret_text;
}

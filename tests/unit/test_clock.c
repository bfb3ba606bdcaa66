/* Moments: read in UTC and in the reader's zone, and written in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"

#include <stdlib.h>
#include <time.h>

static void
in_zone(const char *zone)
{
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
}

/* Rules of the European Union, in words that need no file of zones. */
#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"

static void
test_utc(void **state)
{
    int64_t seconds = 7;

    (void)state;
    in_zone(BERLIN);
    assert_true(clock_parse_utc("1970-01-01T00:00:00Z", &seconds));
    assert_int_equal(seconds, 0);
    assert_true(clock_parse_utc("2000-02-29T23:59:59.123Z", &seconds));
    assert_int_equal(seconds, 951868799);
    assert_true(clock_parse_utc("2026-03-01T14:05:09Z", &seconds));
    assert_int_equal(seconds, 1772373909);
    for (int64_t day = 0; day < 366 * 200; day++) {
        time_t moment = (time_t)(day * 86400 + 3661);
        struct tm parts;
        char text[32];

        assert_non_null(gmtime_r(&moment, &parts));
        assert_true(strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0);
        assert_true(clock_parse_utc(text, &seconds));
        assert_int_equal(seconds, moment);
    }
    seconds = 7;
    assert_false(clock_parse_utc("", &seconds));
    assert_false(clock_parse_utc("infinity", &seconds));
    assert_false(clock_parse_utc("2026-03-01T14:05:09", &seconds));
    assert_false(clock_parse_utc("2026-13-01T14:05:09Z", &seconds));
    assert_false(clock_parse_utc("2026-03-01 14:05:09Z", &seconds));
    assert_int_equal(seconds, 7);
}

static void
test_local(void **state)
{
    char text[CLOCK_LOCAL_SIZE];
    int64_t seconds = 7;

    (void)state;
    in_zone(BERLIN);
    assert_string_equal(clock_local_text(1772373909, text), "2026-03-01 15:05:09 CET");
    assert_string_equal(clock_local_text(1783000000, text), "2026-07-02 15:46:40 CEST");
    assert_true(clock_parse_local("2026-03-01 15:05:09", &seconds));
    assert_int_equal(seconds, 1772373909);
    assert_true(clock_parse_local("2026-07-02T15:46", &seconds));
    assert_int_equal(seconds, 1783000000 - 40);
    assert_true(clock_parse_local("2026-07-02", &seconds));
    assert_string_equal(clock_local_text(seconds, text), "2026-07-02 00:00:00 CEST");
    in_zone("UTC0");
    assert_string_equal(clock_local_text(1772373909, text), "2026-03-01 14:05:09 UTC");
    assert_string_equal(clock_local_text(INT64_MAX, text), "?"); /* its year is beyond an int */
    seconds = 7;
    assert_false(clock_parse_local("2026-02-30", &seconds));
    assert_false(clock_parse_local("2026-03", &seconds));
    assert_false(clock_parse_local("2026-03-01 ", &seconds));
    assert_false(clock_parse_local("2026-03-01 14", &seconds));
    assert_false(clock_parse_local("2026-03-01 14:05 CET", &seconds));
    assert_false(clock_parse_local("yesterday", &seconds));
    assert_int_equal(seconds, 7);
}

/* When a day begins, and what it is called; and its length in hours. */
static void
assert_day(int64_t moment, int ahead, const char *date, const char *begins, int hours)
{
    char said[CLOCK_DAY_SIZE];
    char text[CLOCK_UTC_SIZE];
    int64_t first = clock_local_day(moment, ahead, said);

    assert_string_equal(said, date);
    assert_string_equal(clock_utc_text(first, text), begins);
    assert_int_equal(clock_local_day(moment, ahead + 1, said) - first, hours * 3600);
    /* From its first second on it is that day, and not one second earlier. */
    assert_int_equal(clock_local_day(first, 0, said), first);
    assert_string_equal(said, date);
    assert_true(clock_local_day(first - 1, 0, said) < first);
}

static void
test_days(void **state)
{
    char zone[CLOCK_ZONE_SIZE];

    (void)state;
    in_zone("UTC0");
    assert_day(1772373909, 0, "2026-03-01", "2026-03-01T00:00:00Z", 24);
    assert_day(1772373909, -1, "2026-02-28", "2026-02-28T00:00:00Z", 24);
    assert_day(1772373909, -365, "2025-03-01", "2025-03-01T00:00:00Z", 24);
    assert_day(1772373909, 31, "2026-04-01", "2026-04-01T00:00:00Z", 24);
    in_zone(BERLIN);
    assert_day(1772373909, 0, "2026-03-01", "2026-02-28T23:00:00Z", 24);
    assert_day(1772373909, 28, "2026-03-29", "2026-03-28T23:00:00Z", 23);
    assert_day(1772373909, 29, "2026-03-30", "2026-03-29T22:00:00Z", 24);
    assert_day(1783000000, 115, "2026-10-25", "2026-10-24T22:00:00Z", 25);
    assert_string_equal(clock_local_zone(1783000000, zone), "CEST");
    /* Summer time begins at midnight: that day begins at one. And ends then: the hour before is
     * told twice, and is of the day before. */
    in_zone("<-04>4<-03>,M9.1.0/0,M4.1.0/0");
    assert_day(1788696000, 0, "2026-09-06", "2026-09-06T04:00:00Z", 23);
    assert_day(1775358000, 0, "2026-04-04", "2026-04-04T03:00:00Z", 25);
    assert_day(1775365200, 0, "2026-04-05", "2026-04-05T04:00:00Z", 24);
    in_zone("<+1245>-12:45");
    assert_day(1772373909, 0, "2026-03-02", "2026-03-01T11:15:00Z", 24);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utc),
        cmocka_unit_test(test_local),
        cmocka_unit_test(test_days),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

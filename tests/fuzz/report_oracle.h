/*
 * What a report promises: its sums are those of its rows, its days follow one another, and its page
 * is one whose markup is ours.
 */
#ifndef HARPSWEEP_FUZZ_REPORT_ORACLE_H
#define HARPSWEEP_FUZZ_REPORT_ORACLE_H

#include "fuzz.h"
#include "html_oracle.h"

#include <jansson.h>

/* Columns are named c0, c1, … as the database in the place of the real one does it. */
FUZZ_BLIND int64_t
report_oracle_number(const json_t *object, const char *key)
{
    const json_t *number = json_object_get(object, key);

    FUZZ_CHECK(json_is_integer(number) && json_integer_value(number) >= 0, "no number: %s", key);
    return json_integer_value(number);
}

/* The sum of columns first…last over the elements of an array, those of all kinds or of one. */
FUZZ_BLIND int64_t
report_oracle_sum(const json_t *array, int first, int last, const char *when)
{
    int64_t sum = 0;

    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *row = json_array_get(array, i);
        const char *kind = json_string_value(json_object_get(row, "when"));

        for (int column = first; column <= last; column++) {
            char key[16];

            (void)snprintf(key, sizeof key, "c%d", column);
            if (when == NULL || strcmp(kind, when) == 0) {
                FUZZ_CHECK(!__builtin_add_overflow(sum, report_oracle_number(row, key), &sum),
                           "a sum of %s", key);
            }
        }
    }
    return sum;
}

FUZZ_BLIND void
report_oracle_days(const json_t *root, size_t count)
{
    const json_t *days = json_object_get(root, "per_day");
    const char *last = json_string_value(json_object_get(root, "from"));

    FUZZ_CHECK(json_array_size(days) == count &&
                   report_oracle_number(root, "days") == (int64_t)count,
               "%zu days", json_array_size(days));
    for (size_t i = 0; i < count; i++) {
        const json_t *day = json_array_get(days, i);
        const char *from = json_string_value(json_object_get(day, "from"));

        FUZZ_CHECK(strcmp(from, last) == 0, "%s and %s", last, from);
        last = json_string_value(json_object_get(day, "to"));
        FUZZ_CHECK(strcmp(from, last) < 0, "%s and %s", from, last);
    }
}

FUZZ_BLIND void
report_oracle_sums(const json_t *root)
{
    const json_t *days = json_object_get(root, "per_day");
    const json_t *pending = json_object_get(root, "pending");
    const struct {
        const char *key;
        int64_t sum;
    } sums[] = {
        {"removed", report_oracle_sum(days, 1, 1, NULL)},
        {"ended_otherwise", report_oracle_sum(days, 2, 7, NULL)},
        {"failed_in_days", report_oracle_sum(days, 8, 8, NULL)},
        {"bytes_freed", report_oracle_sum(days, 9, 9, NULL)},
        {"waiting_jobs", report_oracle_sum(pending, 1, 1, NULL)},
        {"waiting_bytes", report_oracle_sum(pending, 3, 3, NULL)},
        {"waiting_unsized", report_oracle_sum(pending, 4, 4, NULL)},
        {"due", report_oracle_sum(pending, 1, 1, "now")},
    };

    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        FUZZ_CHECK(report_oracle_number(root, sums[i].key) == sums[i].sum, "%s is not %lld",
                   sums[i].key, (long long)sums[i].sum);
    }
}

FUZZ_BLIND void
report_oracle_check(const char *text, size_t length, bool is_json, size_t days)
{
    json_t *root;

    FUZZ_CHECK(length > 0 && text[length - 1] == '\n', "no end of the line");
    if (!is_json) {
        html_oracle_check(text);
        return;
    }
    root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    FUZZ_CHECK(root != NULL, "%s", text);
    report_oracle_days(root, days);
    report_oracle_sums(root);
    json_decref(root);
}

#endif

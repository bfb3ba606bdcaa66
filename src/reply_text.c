#include "reply_text.h"

#include <string.h>

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char
to_lower(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)((unsigned char)c | 0x20U);
    }
    return c;
}

bool
reply_text_is_shallow(const char *body, size_t length, int max_depth)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < length; i++) {
        if (in_string) {
            if (body[i] == '\\') {
                i++; /* whatever is escaped can't end the string */
            } else if (body[i] == '"') {
                in_string = false;
            }
            continue;
        }
        in_string = body[i] == '"';
        if (body[i] == '{' || body[i] == '[') {
            depth++;
        } else if (body[i] == '}' || body[i] == ']') {
            depth--;
        }
        if (depth > max_depth) {
            return false;
        }
    }
    return true;
}

bool
reply_text_contains(const char *text, const char *part)
{
    size_t length = strlen(part);

    for (; *text != '\0'; text++) {
        size_t i = 0;

        while (i < length && to_lower(text[i]) == part[i]) {
            i++;
        }
        if (i == length) {
            return true;
        }
    }
    return false;
}

/* Reads least to most digits; returns what follows them, NULL where there are too few or many. */
static const char *
reply_text_read_number(const char *text, int least, int most, int *ret_number)
{
    int number = 0;
    int digits = 0;

    for (; is_digit(*text); text++) {
        if (++digits > most) {
            return NULL;
        }
        number = number * 10 + (*text - '0');
    }
    *ret_number = number;
    return digits < least ? NULL : text;
}

const char *
reply_text_parse_version(const char *text, int ret_parts[3])
{
    ret_parts[2] = 0;
    text = reply_text_read_number(text, 1, 6, &ret_parts[0]);
    if (text == NULL || *text != '.') {
        return NULL;
    }
    text = reply_text_read_number(text + 1, 1, 6, &ret_parts[1]);
    if (text != NULL && *text == '.' && is_digit(text[1])) {
        text = reply_text_read_number(text + 1, 1, 6, &ret_parts[2]);
    }
    if (text == NULL || text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz"
                                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ.+-")] != '\0') {
        return NULL;
    }
    return text;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t
reply_text_days(int year, int month, int day)
{
    /* The year begins in March here, so that the leap day is its last one. */
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

struct reply_text_moment {
    int year, month, day, hour, minute, second;
    int64_t millisecond;
    int offset_minutes;
};

/* What follows the seconds: a fraction, of which milliseconds count, and the zone. */
static bool
reply_text_read_tail(const char *text, struct reply_text_moment *moment)
{
    int hours = 0;
    int minutes = 0;
    int sign;
    int64_t unit = 100;

    if (*text == '.') {
        if (!is_digit(*++text)) {
            return false;
        }
        for (; is_digit(*text); text++) {
            moment->millisecond += (*text - '0') * unit;
            unit /= 10;
        }
    }
    if (*text == 'Z' || *text == 'z') {
        return text[1] == '\0';
    }
    if (*text != '+' && *text != '-') {
        return false;
    }
    sign = *text == '-' ? -1 : 1;
    text = reply_text_read_number(text + 1, 2, 2, &hours);
    if (text == NULL || *text != ':') {
        return false;
    }
    text = reply_text_read_number(text + 1, 2, 2, &minutes);
    moment->offset_minutes = sign * (hours * 60 + minutes);
    return text != NULL && *text == '\0' && hours < 24 && minutes < 60;
}

static bool
reply_text_read_moment(const char *text, struct reply_text_moment *moment)
{
    const struct {
        int digits;
        char after;
        int *field;
    } fields[] = {{4, '-', &moment->year}, {2, '-', &moment->month},  {2, 'T', &moment->day},
                  {2, ':', &moment->hour}, {2, ':', &moment->minute}, {2, '\0', &moment->second}};

    memset(moment, 0, sizeof *moment);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        text = reply_text_read_number(text, fields[i].digits, fields[i].digits, fields[i].field);
        if (text == NULL || (fields[i].after != '\0' && *text != fields[i].after)) {
            return false;
        }
        text += fields[i].after != '\0' ? 1 : 0;
    }
    return reply_text_read_tail(text, moment);
}

bool
reply_text_parse_time(const char *text, int64_t *ret_ms)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct reply_text_moment moment;
    int64_t minutes;

    if (!reply_text_read_moment(text, &moment) || moment.month < 1 || moment.month > 12 ||
        moment.day < 1 || moment.day > days[moment.month - 1] || moment.hour > 23 ||
        moment.minute > 59 || moment.second > 60) {
        return false;
    }
    if (moment.year <= 1) {
        *ret_ms = INT64_MIN;
        return true;
    }
    minutes = reply_text_days(moment.year, moment.month, moment.day) * 1440 +
              (int64_t)moment.hour * 60 + moment.minute - moment.offset_minutes;
    *ret_ms = (minutes * 60 + moment.second) * 1000 + moment.millisecond;
    return true;
}

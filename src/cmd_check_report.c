#include "cmd_check_report.h"

#include "mem.h"
#include "printable.h"

#include <stdarg.h>
#include <stdio.h>

void
check_report_open(struct check_report *report, enum cli_format format)
{
    report->format = format;
    report->code = EXIT_CODE_OK;
    json_out_init(&report->json, stdout);
    if (format == CLI_FORMAT_JSON) {
        json_out_open_object(&report->json, NULL);
        json_out_open_array(&report->json, "checks");
    }
}

static void
check_say(struct check_report *report, const char *level, const char *subject, const char *text,
          const char *hint)
{
    if (report->format == CLI_FORMAT_JSON) {
        json_out_open_object(&report->json, NULL);
        json_out_text(&report->json, "level", level);
        json_out_text(&report->json, "subject", subject);
        json_out_text(&report->json, "text", text);
        json_out_text_or_null(&report->json, "hint", hint);
        json_out_close_object(&report->json);
    } else {
        char *about = printable_dup(subject);
        char *words = printable_dup(text);
        char *remedy = printable_dup(hint);

        (void)printf("%-8s %s: %s%s%s\n", level, about, words,
                     *remedy == '\0' ? "" : "; do: ", remedy);
        (void)fflush(stdout);
        mem_free(about);
        mem_free(words);
        mem_free(remedy);
    }
}

#define CHECK_TEXT(text, format)                           \
    do {                                                   \
        va_list args;                                      \
                                                           \
        va_start(args, format);                            \
        (void)vsnprintf(text, sizeof(text), format, args); \
        va_end(args);                                      \
    } while (0)

void
check_ok(struct check_report *report, const char *subject, const char *format, ...)
{
    char text[1400];

    CHECK_TEXT(text, format);
    check_say(report, "ok", subject, text, "");
}

void
check_warning(struct check_report *report, const char *subject, const char *hint,
              const char *format, ...)
{
    char text[1400];

    CHECK_TEXT(text, format);
    check_say(report, "warning", subject, text, hint);
}

/* Settings first: until they are right, the rest means little. */
static int
check_rank(int code)
{
    return code == EXIT_CODE_CONFIG        ? 4
           : code == EXIT_CODE_UNAVAILABLE ? 3
           : code == EXIT_CODE_INTERNAL    ? 2
           : code == EXIT_CODE_ATTENTION   ? 1
                                           : 0;
}

void
check_error(struct check_report *report, const char *subject, int code, const char *hint,
            const char *format, ...)
{
    char text[1400];

    CHECK_TEXT(text, format);
    check_say(report, "error", subject, text, hint);
    if (check_rank(code) > check_rank(report->code)) {
        report->code = code;
    }
}

void
check_error_of(struct check_report *report, const char *subject, const struct err *err)
{
    check_error(report, subject, err_exit_code(err->kind), err->hint, "%s", err->text);
}

void
check_report_close(struct check_report *report)
{
    if (report->format == CLI_FORMAT_JSON) {
        json_out_close_array(&report->json);
        json_out_bool(&report->json, "ok", report->code == EXIT_CODE_OK);
        json_out_int(&report->json, "exit_code", report->code);
        json_out_close_object(&report->json);
    }
}

#include "cmd_check_report.h"

#include "cmd_psql.h"
#include "color.h"
#include "mem.h"
#include "printable.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
check_report_open(struct check_report *report, const struct cli *cli)
{
    report->format = cli->format;
    report->code = EXIT_CODE_OK;
    report->fix_hints = cli->fix_hints;
    report->fix = NULL;
    report->conninfo = "";
    buf_init(&report->fixes, SIZE_MAX / 4);
    json_out_init(&report->json, stdout);
    if (report->format == CLI_FORMAT_JSON) {
        json_out_open_object(&report->json, NULL);
        json_out_open_array(&report->json, "checks");
    }
}

void
check_fix(struct check_report *report, const char *format, ...)
{
    char text[1400];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mem_free(report->fix);
    report->fix = printable_dup(text);
}

void
check_fix_sql(struct check_report *report, const char *sql)
{
    size_t length = strlen(sql);
    struct psql psql;
    char *text;

    psql_open(&psql, report->conninfo);
    if (length > 4 && strcmp(sql + length - 4, ".sql") == 0) {
        psql_add_file(&psql, sql);
    } else {
        psql_add(&psql, "-c");
        psql_add(&psql, sql);
    }
    text = psql_text(&psql);
    check_fix(report, "%s", text);
    mem_free(text);
    psql_close(&psql);
}

void
check_fix_edit(struct check_report *report, const char *path)
{
    char *word = psql_shell_word(path);

    check_fix(report, "%s %s", geteuid() == 0 ? "editor" : "sudoedit", word);
    mem_free(word);
}

/* Remembers the command of a finding, once: one command may solve several. */
static void
check_note_fix(struct check_report *report, const char *subject, const char *text)
{
    char *about = printable_dup(subject);
    char *words = printable_dup(text);
    char *line = mem_printf("\n    %s\n", report->fix == NULL ? "" : report->fix);

    if (report->fix == NULL) {
        (void)buf_printf(&report->fixes, "# %s: %s\n    # no command is known for this\n", about,
                         words);
    } else if (strstr(buf_text(&report->fixes), line) == NULL) {
        (void)buf_printf(&report->fixes, "# %s: %s%s", about, words, line);
    }
    mem_free(about);
    mem_free(words);
    mem_free(line);
}

static void
check_say_json(struct check_report *report, const char *level, const char *subject,
               const char *text, const char *hint)
{
    json_out_open_object(&report->json, NULL);
    json_out_text(&report->json, "level", level);
    json_out_text(&report->json, "subject", subject);
    json_out_text(&report->json, "text", text);
    json_out_text_or_null(&report->json, "hint", hint);
    json_out_text(&report->json, "fix", report->fix);
    json_out_close_object(&report->json);
}

static void
check_say_text(const char *level, enum color color, const char *subject, const char *text,
               const char *hint)
{
    bool colored = color_is_wanted(stdout);
    char *about = printable_dup(subject);
    char *words = printable_dup(text);
    char *remedy = printable_dup(hint);

    (void)printf("%s%-8s%s %s: %s%s%s\n", color_begin(color, colored), level,
                 color_end(color, colored), about, words, *remedy == '\0' ? "" : "; do: ", remedy);
    (void)fflush(stdout);
    mem_free(about);
    mem_free(words);
    mem_free(remedy);
}

static void
check_say(struct check_report *report, const char *level, enum color color, const char *subject,
          const char *text, const char *hint)
{
    if (color == COLOR_GOOD) {
        mem_free(report->fix);
        report->fix = NULL;
    } else {
        check_note_fix(report, subject, text);
    }
    if (report->format == CLI_FORMAT_JSON) {
        check_say_json(report, level, subject, text, hint);
    } else {
        check_say_text(level, color, subject, text, hint);
    }
    mem_free(report->fix);
    report->fix = NULL;
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
    check_say(report, "ok", COLOR_GOOD, subject, text, "");
}

void
check_warning(struct check_report *report, const char *subject, const char *hint,
              const char *format, ...)
{
    char text[1400];

    CHECK_TEXT(text, format);
    check_say(report, "warning", COLOR_WARNING, subject, text, hint);
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
    check_say(report, "error", COLOR_BAD, subject, text, hint);
    if (check_rank(code) > check_rank(report->code)) {
        report->code = code;
    }
}

void
check_error_of(struct check_report *report, const char *subject, const struct err *err)
{
    size_t length = strlen(subject);
    /* Errors begin with what they are about, as findings do. */
    bool twice =
        strncmp(err->text, subject, length) == 0 && strncmp(err->text + length, ": ", 2) == 0;
    const char *pointer = strstr(err->hint, "; 'harpsweep check --fix-hints'");
    char *hint = report->fix_hints && pointer != NULL
                     ? mem_strndup(err->hint, (size_t)(pointer - err->hint))
                     : mem_strdup(err->hint);

    check_error(report, subject, err_exit_code(err->kind), hint, "%s",
                err->text + (twice ? length + 2 : 0));
    mem_free(hint);
}

void
check_report_close(struct check_report *report)
{
    if (report->format == CLI_FORMAT_JSON) {
        json_out_close_array(&report->json);
        json_out_bool(&report->json, "ok", report->code == EXIT_CODE_OK);
        json_out_int(&report->json, "exit_code", report->code);
        json_out_close_object(&report->json);
    } else if (report->fix_hints && report->fixes.length > 0) {
        (void)printf("\nThe next command for each, the first one first:\n\n%s",
                     buf_text(&report->fixes));
    }
    buf_free(&report->fixes);
    mem_free(report->fix);
    report->fix = NULL;
}

/*
 * status as a plugin of Nagios, Icinga and their kin tells it (Nagios Plugin Development
 * Guidelines): a line with perfdata, then what a person wants to know; exit code 0 to 3.
 */
#include "buf.h"
#include "cmd_status_view.h"
#include "mem.h"
#include "printable.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum nagios_state { NAGIOS_OK, NAGIOS_WARNING, NAGIOS_CRITICAL, NAGIOS_UNKNOWN };

#define NAGIOS_LINE_MAX 4096

/* Text of strangers: a bar would begin the perfdata. */
static void
nagios_print(const char *before, const char *text, const char *after)
{
    char *printable = printable_dup(text);

    for (char *at = printable; *at != '\0'; at++) {
        if (*at == '|') {
            *at = '/';
        }
    }
    (void)printf("%s%s%s", before, printable, after);
    mem_free(printable);
}

/* A threshold is what may be: more than it is a problem. */
static enum nagios_state
nagios_judge(int64_t value, const struct cli_thresholds *thresholds)
{
    return value > thresholds->critical  ? NAGIOS_CRITICAL
           : value > thresholds->warning ? NAGIOS_WARNING
                                         : NAGIOS_OK;
}

static void
nagios_add(struct buf *problems, enum nagios_state *worst, enum nagios_state state,
           const char *words)
{
    if (state != NAGIOS_OK) {
        (void)buf_printf(problems, "%s%s", problems->length == 0 ? "" : ", ", words);
        *worst = state > *worst ? state : *worst;
    }
}

static enum nagios_state
nagios_problems(const struct cli *cli, const struct status_summary *summary, struct buf *problems)
{
    enum nagios_state worst = NAGIOS_OK;
    char span[TABLE_SPAN_SIZE];
    char words[128];

    (void)snprintf(words, sizeof words, "work is due for %s", table_span(summary->lag_s, span));
    nagios_add(problems, &worst, nagios_judge(summary->lag_s, &cli->lag), words);
    (void)snprintf(words, sizeof words, "%" PRId64 " failed job(s)", summary->failed);
    nagios_add(problems, &worst, nagios_judge(summary->failed, &cli->failed), words);
    (void)snprintf(words, sizeof words, "%" PRId64 " daemon(s) stopped, for %s", summary->stopped,
                   table_span(summary->stopped_s, span));
    nagios_add(problems, &worst, nagios_judge(summary->stopped_s, &cli->stopped), words);
    (void)snprintf(words, sizeof words, "%" PRId64 " due job(s) of unknown daemons",
                   summary->unknown);
    nagios_add(problems, &worst, summary->unknown > 0 ? NAGIOS_WARNING : NAGIOS_OK, words);
    nagios_add(problems, &worst, summary->intake > 0 ? NAGIOS_WARNING : NAGIOS_OK,
               "a trigger on Nextcloud's tables failed");
    return worst;
}

static void
nagios_print_perfdata(const struct cli *cli, const struct status_view *view)
{
    const struct status_summary *summary = &view->summary;

    (void)printf("due=%" PRId64 ";;;0", summary->due);
    (void)printf(" lag=%" PRId64 "s;%" PRId64 ";%" PRId64 ";0", summary->lag_s, cli->lag.warning,
                 cli->lag.critical);
    (void)printf(" failed=%" PRId64 ";%" PRId64 ";%" PRId64 ";0", summary->failed,
                 cli->failed.warning, cli->failed.critical);
    (void)printf(" stopped=%" PRId64 "s;%" PRId64 ";%" PRId64 ";0", summary->stopped_s,
                 cli->stopped.warning, cli->stopped.critical);
    (void)printf(" freed_24h=%" PRId64 "B;;;0\n",
                 cmd_status_finished(view, LEDGER_FINISHED_BYTES_24H));
}

static void
nagios_print_daemons(const struct db_result *daemons)
{
    for (int row = 0; row < db_rows(daemons); row++) {
        if (!db_is_null(daemons, row, LEDGER_DAEMON_STOP)) {
            nagios_print("daemon ", db_text(daemons, row, LEDGER_DAEMON_NAME), ": ");
            nagios_print("", db_text(daemons, row, LEDGER_DAEMON_REASON), "");
            nagios_print("; do: ", db_text(daemons, row, LEDGER_DAEMON_HINT), "\n");
        }
    }
}

static void
nagios_print_failed(const struct db_result *failed)
{
    for (int row = 0; row < db_rows(failed); row++) {
        nagios_print("job ", db_text(failed, row, LEDGER_FAILED_ID), " of app ");
        nagios_print("", db_text(failed, row, LEDGER_FAILED_APP), " failed: ");
        nagios_print("", db_text(failed, row, LEDGER_FAILED_REASON), "\n");
    }
}

int
cmd_status_print_nagios(const struct cli *cli, const struct status_view *view)
{
    static const char *const names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
    const struct db_result *run = view->status.parts[LEDGER_STATUS_RUN];
    struct buf problems;
    enum nagios_state worst;

    buf_init(&problems, NAGIOS_LINE_MAX);
    worst = nagios_problems(cli, &view->summary, &problems);
    nagios_print("HARPSWEEP ", names[worst], " - ");
    if (worst != NAGIOS_OK) {
        nagios_print("", buf_text(&problems), "");
    } else if (db_rows(run) > 0) {
        nagios_print("last work ", db_text(run, 0, LEDGER_RUN_AGO), "");
    } else {
        (void)printf("no work so far");
    }
    (void)printf(" | ");
    nagios_print_perfdata(cli, view);
    nagios_print_daemons(view->status.parts[LEDGER_STATUS_DAEMONS]);
    nagios_print_failed(view->status.parts[LEDGER_STATUS_FAILED]);
    buf_free(&problems);
    return (int)worst;
}

int
cmd_status_unknown(const struct err *err)
{
    nagios_print("HARPSWEEP UNKNOWN - ", err->text, "\n");
    if (err->hint[0] != '\0') {
        nagios_print("", err->hint, "\n");
    }
    return NAGIOS_UNKNOWN;
}

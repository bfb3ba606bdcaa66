/*
 * A database in the place of libpq's connection: it answers every statement with rows made of the
 * input, of the types that the statement's columns have. The results themselves are libpq's own.
 *
 * The functions of libpq that need a connection are defined here, and the linker takes these.
 */
#ifndef HARPSWEEP_FUZZ_FAKE_LIBPQ_H
#define HARPSWEEP_FUZZ_FAKE_LIBPQ_H

#include "fuzz.h"

#include "clock.h"
#include "queries.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <sys/eventfd.h>

#define FAKE_STEPS_MAX 20
/* The process of a session, and statements that it keeps. */
#define FAKE_BACKEND 4711
#define FAKE_KEPT_MAX 8
#define FAKE_VALUE_MAX 65536
#define FAKE_CLAIMED_MAX 256

struct fake_database {
    struct fuzz_input cells; /* what the rows are made of: lines */
    unsigned rows;           /* of each result, at most */
    unsigned refuse;         /* the statement, counted from 1, that ends with an error; 0: none */
    bool no_connection;
    unsigned sent;
    const char *statements[FAKE_STEPS_MAX]; /* of the exchange under way; NULL: one is to be kept */
    struct {
        char *name;
        const char *sql;
    } kept[FAKE_KEPT_MAX];
    size_t kept_count;
    char *lists[FAKE_STEPS_MAX]; /* of each: the array that its rows are about, or NULL */
    unsigned count;
    unsigned told;
    bool between;
    int64_t now_ms;  /* what both clocks tell; only answers of daemons take time */
    unsigned looked; /* how often somebody looked at a clock */
    char *list;      /* that of the statement that is answered */
    char *words;     /* of an error or a lost connection */
    size_t days;     /* that a report tells of */
    bool wrong;      /* a value may be none that its query promises */
    bool others;     /* a daemon of the input may be the one of the settings */
    char *claimed[FAKE_CLAIMED_MAX];
    size_t claimed_count;
};

static struct fake_database fake;

/* Long after the boot, whatever is taken off. */
#define FAKE_BOOT_MS INT64_C(1000000)
#define FAKE_EPOCH_MS INT64_C(1795404960000)
/* Nobody looks so often in one execution, but who waits for what never comes. */
#define FAKE_LOOKS_MAX 100000

int64_t
clock_boot_ms(void)
{
    FUZZ_CHECK(++fake.looked < FAKE_LOOKS_MAX, "it goes round in a circle");
    return FAKE_BOOT_MS + fake.now_ms;
}

int64_t
clock_wall_ms(void)
{
    return FAKE_EPOCH_MS + fake.now_ms;
}

/* One letter for a column: n a number, p one that is not negative, b a boolean, y whether there are
 * rows, c the clock, e the clock in seconds, z a process, s and S a state, i and r an image's ID, w
 * words that our own SQL composes, k and m kinds of rows, o what became of a result (see
 * fake_record_result()), t text that somebody else may have written. Capitals, and k, m and o, are
 * never null.
 *
 * Of a report: D a day, L when jobs are due, B bytes with the largest first, C a count, x a number
 * or null, and Y a text. Of these, a cell that begins with '!' is the rest of it, whatever that is,
 * and null where there is none: somebody changed the view that it comes from. */
static const struct fake_statement {
    const char *sql;
    const char *columns;
    bool one; /* it always has exactly one row */
} fake_statements[] = {
    {SQL_HELLO, "vezy", true},
    {SQL_LIST_JOBS, "PSTTTiTTpWwwwwPPPPtsttpppttpwtntttwpt", false},
    {SQL_JOB_EVENTS, "PWTSSPTpt", false},
    {SQL_COUNT_DUE, "TP", false},
    {SQL_LIST_IMAGES, "TTtttipww", false},
    {SQL_PEEK, "PTTTitSw", false},
    {SQL_PLAN, "PTTTitSTwPPtbttp", false},
    {SQL_SCHEDULE, "P", true},
    {SQL_SETTINGS, "TTn", false},
    {SQL_NEWS, "mTtTttpbt", false},
    {SQL_INTAKE_ERRORS, "TTTtpww", false},
    {SQL_CHANGE_CANCEL, "b", true},
    {SQL_CHANGE_KEEP, "b", true},
    {SQL_CHANGE_NOW, "b", true},
    {SQL_CHANGE_RETRY, "b", true},
    {SQL_CHANGE_TARGETS, "PT", false},
    {SQL_CHECK_SERVER, "WpTTTbcbbbb", true},
    {SQL_CHECK_PRIVILEGES, "bTTT", false},
    {SQL_CHECK_NEXTCLOUD, "bbttbpppb", true},
    {SQL_REPORT_DAYS, "DCCCCCCCCC", false},
    {SQL_REPORT_APPS, "CCCBYW", false},
    {SQL_REPORT_PENDING, "LCCCC", false},
    {SQL_REPORT_NEXT, "CxxwYYYSt", false},
    {SQL_REPORT_FAILED, "CCCYYYWt", false},
    {SQL_REPORT_DAEMONS, "YYCCCCCwttwttw", false},
    {SQL_STATUS_RUN, "WWTTPPPPPPPPPPPPPt", false},
    {SQL_STATUS_OPEN, "TSPPPPpp", false},
    {SQL_STATUS_FINISHED, "SPPPP", false},
    {SQL_STATUS_WAITING, "TP", false},
    {SQL_STATUS_FAILED, "PPTTTwt", false},
    {SQL_STATUS_DAEMONS, "TtPPPPPptwttwttw", false},
    {SQL_CLAIM, "kdPpSTTiTPttptpp", false},
    {SQL_RECORD, "aPoSt", false},
    {SQL_CONFIRM, "abtp", false},
    {SQL_FIND, "Tbtttp", false},
    {SQL_OBSERVED, "TTp", false},
    {SQL_RECONCILE, "P", true},
    {SQL_DAEMON_SEEN, "", false},
    {SQL_PRUNE, "P", false},
    {SQL_PRUNE_RUNS, "P", false},
    {SQL_PRUNE_IMAGES, "P", false},
    {SQL_PRUNE_INTAKE, "P", false},
    {SQL_RUN_FINISHED, "", false},
};

static const char *const fake_states[] = {"new",       "pending", "claimed",     "removed",
                                          "untagged",  "absent",  "in_use",      "kept",
                                          "cancelled", "failed",  "unsupported", "no_ref"};
static const char *const fake_words[] = {"2026-11-23T03:36:00Z", "due in 3 h", "infinity",
                                         "-infinity"};
static const char *const fake_kinds[] = {"job", "planned", "ended", "upto"};
static const char *const fake_news[] = {"nextcloud", "daemon", "look", "gone"};
static const char *const fake_ids[] = {
    "sha256:580c10577f0ad110f8eaa64cfffbd524b0103397d8695a7804b2aa435d27dab5",
    "sha256:6a40c4a209e41c7abb20ae1f5ae8bcf869770bf73f59ae931fa2981fd63a7008"};

#define FAKE_WORD(words, cell) \
    (words)[(size_t)(unsigned char)(cell)[0] % (sizeof(words) / sizeof(words)[0])]

/* Nothing that is counted or measured here goes beyond what a double holds exactly. */
FUZZ_BLIND int64_t
fake_number(const char *cell)
{
    const int64_t most = INT64_C(1) << 53;
    long long number = strtoll(cell, NULL, 10);

    return number > most ? most : number < -most ? -most : (int64_t)number;
}

/* The text of a cell, or NULL: a line of the input, "\N" for null, the unit separator for a line
 * feed. It lives until the next one. */
FUZZ_BLIND char *
fake_line(void)
{
    static char line[FAKE_VALUE_MAX];
    size_t length = 0;

    while (length < fake.cells.size && fake.cells.data[length] != '\n') {
        FUZZ_CHECK(length + 1 < sizeof line, "a long cell");
        line[length] = fake.cells.data[length] == '\x1f' ? '\n' : (char)fake.cells.data[length];
        length++;
    }
    line[length] = '\0';
    length += length < fake.cells.size ? 1 : 0;
    fake.cells.data += length;
    fake.cells.size -= length;
    return strcmp(line, "\\N") == 0 ? NULL : line;
}

/* The same for whoever keeps it. free() it. */
FUZZ_BLIND char *
fake_cell(void)
{
    const char *line = fake_line();

    return line == NULL ? NULL : fuzz_copy((const uint8_t *)line, strlen(line));
}

/* An element of the array of texts that the statement is about, as PostgreSQL reads it. */
FUZZ_BLIND const char *
fake_element(const char *list, unsigned char which)
{
    static char element[FAKE_VALUE_MAX];
    unsigned count = 0;

    for (int pass = 0; pass < 2; pass++) {
        const char *at = list + 1;

        for (unsigned i = 0; *at == '"'; i++) {
            size_t length = 0;

            for (at++; *at != '"'; at++) {
                at += *at == '\\' ? 1 : 0;
                element[length++] = *at;
            }
            element[length] = '\0';
            if (pass == 1 && i == which % count) {
                return element;
            }
            at += at[1] == ',' ? 2 : 1;
            count += pass == 0 ? 1 : 0;
        }
    }
    return "";
}

/* Of a report: rows are in order. Four days to a row, three of the eight that are ahead. */
FUZZ_BLIND int64_t
fake_ordered(char type, int64_t number, unsigned row)
{
    switch (type) {
    case 'D':
        fake.wrong = fake.wrong || 4 * row + 1 + number % 4 > (int64_t)fake.days;
        return 4 * row + 1 + number % 4;
    case 'L':
        return 3 * (int64_t)row - 1 + number % (row < 3 ? 3 : 1);
    default:
        return (INT64_C(8) - row) * (INT64_C(1) << 40) + number % (INT64_C(1) << 40);
    }
}

FUZZ_BLIND const char *
fake_value(char type, const char *cell, unsigned row, char number[32])
{
    int64_t given = fake_number(cell);

    switch (type) {
    case 'P':
    case 'p':
    case 'C':
    case 'x':
        given = given < 0 ? 0 : given;
        __attribute__((fallthrough));
    case 'n':
        (void)snprintf(number, 32, "%" PRId64, given);
        return number;
    case 'D':
    case 'L':
    case 'B':
        (void)snprintf(number, 32, "%" PRId64, fake_ordered(type, given < 0 ? 0 : given, row));
        return number;
    case 'c':
        (void)snprintf(number, 32, "%" PRId64, clock_wall_ms());
        return number;
    case 'e':
        (void)snprintf(number, 32, "%" PRId64 ".%03d", clock_wall_ms() / 1000,
                       (int)(clock_wall_ms() % 1000));
        return number;
    case 'z': /* a pooler may be between */
        (void)snprintf(number, 32, "%d", FAKE_BACKEND + (int)(fake.rows % 2));
        return number;
    case 'y':
        return fake.rows > 0 ? "t" : "f";
    case 'v':
        (void)snprintf(number, 32, "%d", HARPSWEEP_SCHEMA_VERSION);
        return number;
    case 'b':
        return cell[0] == 't' ? "t" : "f";
    case 's':
    case 'S':
        return FAKE_WORD(fake_states, cell);
    case 'w':
    case 'W':
        return FAKE_WORD(fake_words, cell);
    case 'i':
        return FAKE_WORD(fake_ids, cell);
    case 'k':
        return FAKE_WORD(fake_kinds, cell);
    case 'm':
        return FAKE_WORD(fake_news, cell);
    case 'd':
        return fake_element(fake.list == NULL ? "{}" : fake.list, (unsigned char)cell[0]);
    default:
        return cell;
    }
}

FUZZ_BLIND void
fake_set(PGresult *result, unsigned row, int column, char type)
{
    static char value[FAKE_VALUE_MAX]; /* PQsetvalue() wants to be able to write to it */
    const char *cell = strchr("vcaezy", type) != NULL ? NULL : fake_line();
    const char *text = NULL;
    char number[32];
    int length = -1;

    if (cell != NULL && cell[0] == '!' && strchr("DLBCxY", type) != NULL) {
        fake.wrong = true;
        text = cell[1] == '\0' ? NULL : cell + 1;
    } else if (cell != NULL || strchr("PSTWackmvdDLBCY", type) != NULL) {
        text = fake_value(type, cell == NULL ? "" : cell, row, number);
    }
    if (text != NULL) {
        length = (int)strlen(text);
        FUZZ_CHECK(length < (int)sizeof value, "a cell of %d bytes", length);
        memcpy(value, text, (size_t)length + 1);
    }
    FUZZ_CHECK(PQsetvalue(result, (int)row, column, value, length) == 1, "no memory");
}

/* What a claim gave to the run, and nothing holds. */
FUZZ_BLIND void
fake_note_claim(const PGresult *result)
{
    for (int row = 0; row < PQntuples(result); row++) {
        bool free_to_go =
            strcmp(PQgetvalue(result, row, 0), "job") == 0 && PQgetisnull(result, row, 13) == 1;

        if (free_to_go && fake.claimed_count + 2 <= FAKE_CLAIMED_MAX) {
            for (int column = 6; column <= 7; column++) {
                const char *text = PQgetvalue(result, row, column);

                fake.claimed[fake.claimed_count++] = fuzz_copy((const uint8_t *)text, strlen(text));
            }
        }
    }
}

/* Whether an image that is asked to be deleted, perhaps with its default tag, was claimed. */
FUZZ_BLIND bool
fake_was_claimed(const char *ref, size_t length)
{
    static const char tag[] = ":latest";
    size_t bare = length > sizeof tag - 1 &&
                          strncmp(ref + length - (sizeof tag - 1), tag, sizeof tag - 1) == 0
                      ? length - (sizeof tag - 1)
                      : length;

    for (size_t i = 0; i < fake.claimed_count; i++) {
        size_t claimed = strlen(fake.claimed[i]);

        if ((claimed == length || claimed == bare) && strncmp(fake.claimed[i], ref, claimed) == 0) {
            return true;
        }
    }
    return fake.claimed_count + 2 > FAKE_CLAIMED_MAX;
}

/* Begins anew with these cells. */
static inline void
fake_begin(struct fuzz_input cells)
{
    for (size_t i = 0; i < fake.claimed_count; i++) {
        free(fake.claimed[i]);
    }
    for (size_t i = 0; i < FAKE_STEPS_MAX; i++) {
        free(fake.lists[i]);
    }
    for (size_t i = 0; i < fake.kept_count; i++) {
        free(fake.kept[i].name);
    }
    free(fake.list);
    free(fake.words);
    memset(&fake, 0, sizeof fake);
    fake.cells = cells;
    /* An error's words are all the cells as one. */
    fake.words = fuzz_copy(cells.data, cells.size);
    fake.others = strstr(fake.words, "harp.example") != NULL;
}

/* A statement that is not in the table has no rows and no columns. */
FUZZ_BLIND const struct fake_statement *
fake_find(const char *sql)
{
    static const struct fake_statement unknown = {"", "", false};
    static const char *known[64]; /* where the program keeps its statements */
    static const struct fake_statement *found[64];
    size_t i = 0;

    while (i < 64 && known[i] != NULL && known[i] != sql) {
        i++;
    }
    FUZZ_CHECK(i < 64, "many statements");
    if (known[i] == NULL) {
        known[i] = sql;
        found[i] = &unknown;
        for (size_t at = 0; at < sizeof fake_statements / sizeof *fake_statements; at++) {
            if (strcmp(fake_statements[at].sql, sql) == 0) {
                found[i] = &fake_statements[at];
            }
        }
    }
    return found[i];
}

/* A result of that statement, of at most so many rows; columns are named c0, c1, … */
FUZZ_BLIND PGresult *
fake_result(const char *sql, unsigned rows)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    const struct fake_statement *statement = fake_find(sql);
    int count = (int)strlen(statement->columns);
    PGresAttDesc descriptions[40];
    char names[40][8];

    for (int i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof names[i], "c%d", i);
        descriptions[i] = (PGresAttDesc){.name = names[i], .typid = 25, .typlen = -1};
    }
    FUZZ_CHECK(result != NULL && PQsetResultAttrs(result, count, descriptions) == 1, "no memory");
    for (unsigned row = 0; statement->one ? row < 1 : row < rows && fake.cells.size > 0; row++) {
        for (int i = 0; i < count; i++) {
            fake_set(result, row, i, statement->columns[i]);
        }
    }
    return result;
}

/* One row for each number of a list. */
FUZZ_BLIND PGresult *
fake_list_result(const char *sql, const char *ids)
{
    PGresult *result = fake_result(sql, 0);
    const char *columns = fake_find(sql)->columns;
    unsigned row = 0;

    for (const char *id = ids + 1; *id >= '0' && *id <= '9'; row++) {
        char number[32];
        int length = (int)strcspn(id, ",}");

        (void)snprintf(number, sizeof number, "%.*s", length, id);
        FUZZ_CHECK(PQsetvalue(result, (int)row, 0, number, length) == 1, "no memory");
        for (int i = 1; columns[i] != '\0'; i++) {
            fake_set(result, row, i, columns[i]);
        }
        id += length + (id[length] == ',' ? 1 : 0);
    }
    return result;
}

FUZZ_BLIND void
fake_set_number(PGresult *result, unsigned row, int column, const char *number)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%s", number);

    FUZZ_CHECK(PQsetvalue(result, (int)row, column, text, length) == 1, "no memory");
}

FUZZ_BLIND __attribute__((format(printf, 4, 5))) void
fake_print(PGresult *result, int row, int column, const char *format, ...)
{
    char text[32];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    FUZZ_CHECK(length < (int)sizeof text && PQsetvalue(result, row, column, text, length) == 1,
               "no memory");
}

/* Of results: how many were recorded, and a row for each of which a line of the input says what
 * became of it: "r" that it was recorded, "a" already, "l" too late. "!" makes the sum wrong. */
FUZZ_BLIND PGresult *
fake_record_result(const char *ids)
{
    PGresult *result = fake_result(SQL_RECORD, 0);
    int recorded = 0;
    int row = 1;
    int place = 0;

    fake_print(result, 0, 0, "0");
    fake_print(result, 0, 2, "sum");
    for (const char *id = ids + 1; *id >= '0' && *id <= '9'; id += *id == ',' ? 1 : 0) {
        const char *line = fake_line();
        char kind = line == NULL ? '\0' : line[0];
        bool lost = kind == 'a' || kind == 'l';
        int length = (int)strcspn(id, ",}");

        place++;
        recorded += kind == '!' ? 2 : !lost;
        if (lost || kind == 'r') {
            fake_print(result, row, 0, "%d", place);
            fake_print(result, row, 1, "%.*s", length, id);
            fake_print(result, row, 2, "%s",
                       kind == 'r'   ? "recorded"
                       : kind == 'a' ? "already"
                                     : "late");
            fake_set(result, (unsigned)row, 3, 'S');
            fake_set(result, (unsigned)row++, 4, 't');
        }
        id += length;
    }
    fake_print(result, 0, 1, "%d", recorded);
    return result;
}

PGconn *
PQconnectdbParams(const char *const *keywords, const char *const *values, int expand_dbname)
{
    (void)keywords;
    (void)values;
    (void)expand_dbname;
    return (PGconn *)(void *)&fake;
}

void
PQfinish(PGconn *conn)
{
    (void)conn;
}

ConnStatusType
PQstatus(const PGconn *conn)
{
    (void)conn;
    return fake.no_connection ? CONNECTION_BAD : CONNECTION_OK;
}

char *
PQerrorMessage(const PGconn *conn)
{
    (void)conn;
    return fake.words;
}

int
PQsetnonblocking(PGconn *conn, int arg)
{
    (void)conn;
    (void)arg;
    return 0;
}

int
PQenterPipelineMode(PGconn *conn)
{
    (void)conn;
    return 1;
}

PQnoticeReceiver
PQsetNoticeReceiver(PGconn *conn, PQnoticeReceiver proc, void *arg)
{
    (void)conn;
    /* A notice says the same as an error would. */
    if (proc != NULL) {
        proc(arg, NULL);
    }
    return NULL;
}

int
PQsendQueryParams(PGconn *conn, const char *command, int nParams, const Oid *paramTypes,
                  const char *const *paramValues, const int *paramLengths, const int *paramFormats,
                  int resultFormat)
{
    (void)conn;
    (void)nParams;
    (void)paramTypes;
    (void)paramLengths;
    (void)paramFormats;
    (void)resultFormat;
    FUZZ_CHECK(fake.count < FAKE_STEPS_MAX, "many statements");
    if (strpbrk(fake_find(command)->columns, "ad") != NULL) {
        const char *list = paramValues[strcmp(command, SQL_RECORD) == 0        ? 2
                                       : fake_find(command)->columns[0] == 'a' ? 1
                                                                               : 0];

        fake.lists[fake.count] = fuzz_copy((const uint8_t *)list, strlen(list));
    }
    fake.statements[fake.count++] = command;
    return 1;
}

int
PQbackendPID(const PGconn *conn)
{
    (void)conn;
    return FAKE_BACKEND;
}

int
PQsendPrepare(PGconn *conn, const char *name, const char *query, int nParams, const Oid *paramTypes)
{
    (void)conn;
    (void)nParams;
    (void)paramTypes;
    FUZZ_CHECK(fake.count < FAKE_STEPS_MAX && fake.kept_count < FAKE_KEPT_MAX, "many statements");
    fake.kept[fake.kept_count].name = fuzz_copy((const uint8_t *)name, strlen(name));
    fake.kept[fake.kept_count++].sql = query;
    fake.statements[fake.count++] = NULL;
    return 1;
}

int
PQsendQueryPrepared(PGconn *conn, const char *name, int nParams, const char *const *paramValues,
                    const int *paramLengths, const int *paramFormats, int resultFormat)
{
    size_t at = 0;

    while (at < fake.kept_count && strcmp(fake.kept[at].name, name) != 0) {
        at++;
    }
    FUZZ_CHECK(at < fake.kept_count, "a statement that nobody prepared");
    return PQsendQueryParams(conn, fake.kept[at].sql, nParams, NULL, paramValues, paramLengths,
                             paramFormats, resultFormat);
}

int
PQpipelineSync(PGconn *conn)
{
    (void)conn;
    return 1;
}

int
PQflush(PGconn *conn)
{
    (void)conn;
    return 0;
}

int
PQconsumeInput(PGconn *conn)
{
    (void)conn;
    return 1;
}

int
PQisBusy(PGconn *conn)
{
    (void)conn;
    return 0;
}

/* There is always something to read, so that nobody waits. */
int
PQsocket(const PGconn *conn)
{
    static int fd = -1;

    (void)conn;
    if (fd < 0) {
        fd = eventfd(1, EFD_CLOEXEC);
    }
    return fd;
}

static inline PGresult *
fake_next_result(void)
{
    const char *sql = fake.statements[fake.told];
    PGresult *result;

    free(fake.list);
    fake.list = fake.lists[fake.told];
    fake.lists[fake.told++] = NULL;
    if (++fake.sent == fake.refuse) {
        return PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
    }
    if (sql == NULL) {
        return PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
    }
    result = strcmp(sql, SQL_RECORD) == 0        ? fake_record_result(fake.list)
             : fake_find(sql)->columns[0] == 'a' ? fake_list_result(sql, fake.list)
                                                 : fake_result(sql, fake.rows);
    if (strcmp(sql, SQL_CLAIM) == 0) {
        fake_note_claim(result);
    }
    return result;
}

/* As libpq in pipeline mode: a result and a NULL for each statement, and a mark at the end. */
PGresult *
PQgetResult(PGconn *conn)
{
    (void)conn;
    if (fake.between) {
        fake.between = false;
        return NULL;
    }
    if (fake.told == fake.count) {
        fake.told = 0;
        fake.count = 0;
        return PQmakeEmptyPGresult(NULL, PGRES_PIPELINE_SYNC);
    }
    fake.between = true;
    return fake_next_result();
}

char *
PQresultErrorField(const PGresult *res, int fieldcode)
{
    static char state[] = "P0001";

    (void)res;
    return fieldcode == PG_DIAG_SQLSTATE ? state : fake.words;
}

#endif

/*
 * Only this and its parts (db_*.c) speak libpq. One connection; statements go out in
 * pipeline mode, several at a time, as one transaction and one round trip.
 *
 * Works through PgBouncer in transaction mode: no session state is set, and
 * nothing is prepared by name where a pooler may be between. Values travel as
 * text, results come back as text.
 */
#ifndef HARPSWEEP_DB_H
#define HARPSWEEP_DB_H

#include "buf.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct db_result;

#define DB_ARGS_MAX 24
#define DB_STEPS_MAX 12

/* The parameters of one statement, in order. Owns the texts it was given. */
struct db_args {
    int count;
    char *values[DB_ARGS_MAX]; /* NULL: SQL null */
};

void db_args_clear(struct db_args *args);
void db_arg_text(struct db_args *args, const char *value); /* copied; NULL: null */
void db_arg_int(struct db_args *args, int64_t value);
void db_arg_bool(struct db_args *args, bool value);
/* Takes the text of an array begun with db_array_begin(). */
void db_arg_array(struct db_args *args, struct buf *array);

/* Builds a PostgreSQL array literal: begin, then elements, then db_arg_array(). */
void db_array_begin(struct buf *array);
void db_array_text(struct buf *array, const char *value); /* NULL: a null element */
void db_array_int(struct buf *array, int64_t value);
void db_array_int_or_null(struct buf *array, int64_t value, bool known);
/* Leaves out the nulls at its end: where several arrays are unnested, the shorter ones are filled
 * up. */
void db_array_trim(struct buf *array);

/* What a connection string, or else the environment and libpq's defaults, say of a keyword ("host",
 * "port", "dbname", "user"); NULL where neither does, or where conninfo is none. mem_free() it. */
char *db_conninfo_part(const char *conninfo, const char *keyword);

/* The same of the connection string alone. */
char *db_conninfo_given(const char *conninfo, const char *keyword);

/* Whether it is a connection string at all. */
bool db_conninfo_check(const char *conninfo, struct err *err) MUST_CHECK;

/* A value as it stands in a connection string: in quotes. mem_free() it. */
char *db_conninfo_quote(const char *value);

/* Connects, trying every host of conninfo as libpq does. Errors: ERR_DB_LOST (not
 * reachable), ERR_CONFIG (conninfo or password wrong). db_close() it. */
bool db_open(const char *conninfo, struct db **ret_db, struct err *err) MUST_CHECK;

/* Closes the connection and opens it again; anything under way is forgotten. */
bool db_reopen(struct db *db, struct err *err) MUST_CHECK;

/* Closes; NULL is fine. */
void db_close(struct db *db);

/* Closes the connection without another word; db_reopen() opens it again. */
void db_drop(struct db *db);

/* True while there is a usable connection. */
bool db_is_open(const struct db *db);

struct db_step {
    const char *sql;
    const struct db_args *args; /* NULL: none */
    bool again;                 /* more of the same text will follow; it lives as long as db */
    bool plain;                 /* as the session is: nothing is set for it */
};

/* From now on, until the connection ends, the server keeps the statements that are sent again and
 * again: parsed, and planned once for whatever arguments. Only where backend, pg_backend_pid() as a
 * statement of this connection told it, is the process that the connection began with. A pooler in
 * between tells another one, and leads each transaction to another session. name: nobody else's;
 * what is kept is called by it. */
void db_keep(struct db *db, int64_t backend, const char *name);

enum db_progress { DB_IDLE, DB_BUSY, DB_FINISHED, DB_BROKEN };

/* Sends steps as one pipeline: one transaction, committed when db_advance() says DB_FINISHED.
 * Does not wait. Not while another is under way. */
bool db_send(struct db *db, const struct db_step *steps, size_t count, struct err *err) MUST_CHECK;

/* Reads and writes what can be without waiting. DB_FINISHED: all steps done and the commit
 * acknowledged, take the results. DB_BROKEN: nothing of it happened, or, with ERR_DB_LOST, it is
 * unknown whether it did; err tells. Both end the exchange. */
enum db_progress db_advance(struct db *db, struct err *err);

/* What to poll for while DB_BUSY; -1 without a connection. */
int db_fd(const struct db *db);
bool db_wants_write(const struct db *db);

/* Milliseconds on the boot clock when the exchange under way was sent. */
int64_t db_sent_at(const struct db *db);

/* Whether more has come than db_advance() has read. It reads some thousand bytes at a time; what
 * came while this process, or the whole machine, was stopped is an answer and no silence. */
bool db_has_input(const struct db *db);

/* db_send() and waiting for the end, at most timeout_ms. */
bool db_exchange(struct db *db, const struct db_step *steps, size_t count, int64_t timeout_ms,
                 struct err *err) MUST_CHECK;

/* The same for a single statement; db_result_free() the result. */
bool db_query(struct db *db, const char *sql, const struct db_args *args,
              struct db_result **ret_result, struct err *err) MUST_CHECK;

/* The result of step index of the exchange that finished; owned by the caller. */
struct db_result *db_take(struct db *db, size_t index);

void db_result_free(struct db_result *result); /* NULL is fine */
int db_rows(const struct db_result *result);
bool db_is_null(const struct db_result *result, int row, int column);
/* "" for null; valid as long as the result. */
const char *db_text(const struct db_result *result, int row, int column);
/* The same, but NULL for null. */
const char *db_text_or_null(const struct db_result *result, int row, int column);
int64_t db_int(const struct db_result *result, int row, int column); /* 0 for null */
/* False where it is anything but a whole number of 64 bits, null included. */
bool db_parse_int(const struct db_result *result, int row, int column, int64_t *ret_number);
bool db_bool(const struct db_result *result, int row, int column); /* false for null */
const char *db_column_name(const struct db_result *result, int column);
int db_columns(const struct db_result *result);

/* What functions RAISE as a notice or warning goes to the log as a warning. */

/* libpq's version as PQlibVersion() tells it: 150013 is 15.13. */
int db_library_version(void);

#endif

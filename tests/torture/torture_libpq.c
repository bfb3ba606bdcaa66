/* libpq: what fails in it, and statements that the server refuses. */
#include "torture.h"

#include <libpq-fe.h>
#include <stddef.h>

TORTURE_WRAP(PQconninfoOption *, PQconninfoParse, const char *conninfo, char **message)
{
    /* Without a message: there was no memory for one. */
    return torture_fails(TORTURE_LIBPQ, "PQconninfoParse", 1) != 0
               ? NULL
               : __real_PQconninfoParse(conninfo, message);
}

TORTURE_WRAP(PGconn *, PQconnectdbParams, const char *const *keywords, const char *const *values,
             int expand)
{
    static const char *const nowhere_keywords[] = {"host", NULL};
    static const char *const nowhere_values[] = {"/nonexistent", NULL};

    switch (torture_fails(TORTURE_LIBPQ, "PQconnectdbParams", 2)) {
    case 1:
        return NULL;
    case 2:
        return __real_PQconnectdbParams(nowhere_keywords, nowhere_values, 0);
    default:
        return __real_PQconnectdbParams(keywords, values, expand);
    }
}

/* A connection that is bad stays so until it is closed. */
static const PGconn *libpq_bad;

TORTURE_WRAP(ConnStatusType, PQstatus, const PGconn *conn)
{
    if (torture_fails(TORTURE_LIBPQ, "PQstatus", 1) != 0) {
        libpq_bad = conn;
    }
    return conn == libpq_bad ? CONNECTION_BAD : __real_PQstatus(conn);
}

TORTURE_WRAP(void, PQfinish, PGconn *conn)
{
    if (conn == libpq_bad) {
        libpq_bad = NULL;
    }
    __real_PQfinish(conn);
}

TORTURE_WRAP(int, PQsetnonblocking, PGconn *conn, int on)
{
    return torture_fails(TORTURE_LIBPQ, "PQsetnonblocking", 1) != 0
               ? -1
               : __real_PQsetnonblocking(conn, on);
}

TORTURE_WRAP(int, PQenterPipelineMode, PGconn *conn)
{
    return torture_fails(TORTURE_LIBPQ, "PQenterPipelineMode", 1) != 0
               ? 0
               : __real_PQenterPipelineMode(conn);
}

TORTURE_WRAP(int, PQsendQueryParams, PGconn *conn, const char *sql, int count, const Oid *types,
             const char *const *values, const int *lengths, const int *formats, int result_format)
{
    /* What the server may say: an error like any other, a deadlock, "I am a standby now". */
    static const char *const refused[] = {
        "select 1 / 0",
        "do $$begin raise exception 'torture' using errcode = '40P01'; end$$",
        "do $$begin raise exception 'torture' using errcode = '25006'; end$$",
    };
    int way = torture_fails(TORTURE_LIBPQ, "PQsendQueryParams", 4);

    if (way == 1) {
        return 0;
    }
    if (way > 1) {
        return __real_PQsendQueryParams(conn, refused[way - 2], 0, NULL, NULL, NULL, NULL, 0);
    }
    return __real_PQsendQueryParams(conn, sql, count, types, values, lengths, formats,
                                    result_format);
}

TORTURE_WRAP(int, PQsendPrepare, PGconn *conn, const char *name, const char *sql, int count,
             const Oid *types)
{
    int way = torture_fails(TORTURE_LIBPQ, "PQsendPrepare", 2);

    return way == 1
               ? 0
               : __real_PQsendPrepare(conn, name, way == 2 ? "no statement" : sql, count, types);
}

TORTURE_WRAP(int, PQsendQueryPrepared, PGconn *conn, const char *name, int count,
             const char *const *values, const int *lengths, const int *formats, int result_format)
{
    switch (torture_fails(TORTURE_LIBPQ, "PQsendQueryPrepared", 3)) {
    case 1:
        return 0;
    case 2: /* a pooler led to another session */
        return __real_PQsendQueryPrepared(conn, "nobody's", 0, NULL, NULL, NULL, 0);
    case 3:
        return __real_PQsendQueryParams(conn, "select 1 / 0", 0, NULL, NULL, NULL, NULL, 0);
    default:
        return __real_PQsendQueryPrepared(conn, name, count, values, lengths, formats,
                                          result_format);
    }
}

TORTURE_WRAP(int, PQpipelineSync, PGconn *conn)
{
    return torture_fails(TORTURE_LIBPQ, "PQpipelineSync", 1) != 0 ? 0 : __real_PQpipelineSync(conn);
}

TORTURE_WRAP(int, PQflush, PGconn *conn)
{
    return torture_fails(TORTURE_LIBPQ, "PQflush", 1) != 0 ? -1 : __real_PQflush(conn);
}

TORTURE_WRAP(int, PQconsumeInput, PGconn *conn)
{
    return torture_fails(TORTURE_LIBPQ, "PQconsumeInput", 1) != 0 ? 0 : __real_PQconsumeInput(conn);
}

/* A result that gets lost on the last inch: the server did what it was told, and libpq had no
 * memory for what it said about that. NULL where there is none is no failure. */
TORTURE_WRAP(PGresult *, PQgetResult, PGconn *conn)
{
    PGresult *result = __real_PQgetResult(conn);
    int way = result == NULL ? 0 : torture_fails(TORTURE_LIBPQ, "PQgetResult", 2);

    if (way != 0) {
        PQclear(result);
        result = way == 1 ? NULL : PQmakeEmptyPGresult(conn, PGRES_FATAL_ERROR);
    }
    return result;
}

TORTURE_WRAP(ExecStatusType, PQresultStatus, const PGresult *result)
{
    return torture_fails(TORTURE_LIBPQ, "PQresultStatus", 1) != 0 ? PGRES_FATAL_ERROR
                                                                  : __real_PQresultStatus(result);
}

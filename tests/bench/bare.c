/*
 * The least that a program with libpq can do: connect, select, exit. An idle run of harpsweep is
 * measured beside it. Argument: a connection string.
 */
#include <libpq-fe.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
    PGconn *conn = PQconnectdb(argc > 1 ? argv[1] : "");
    PGresult *result = PQexec(conn, "select 1");
    int failed = PQresultStatus(result) != PGRES_TUPLES_OK;

    if (failed) {
        (void)fprintf(stderr, "%s", PQerrorMessage(conn));
    }
    PQclear(result);
    PQfinish(conn);
    return failed;
}

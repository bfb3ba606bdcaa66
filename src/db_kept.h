/*
 * Which statements the server keeps for a connection, and by which names. What is sent for them is
 * said in db.c.
 */
#ifndef HARPSWEEP_DB_KEPT_H
#define HARPSWEEP_DB_KEPT_H

#include <stdbool.h>
#include <stddef.h>

/* Statements that are kept at the same time: a run repeats three, and how they are planned. */
#define DB_KEPT_MAX 4
#define DB_KEPT_NAME_SIZE 64

struct db_kept {
    bool allowed;  /* by this connection */
    bool never;    /* that failed once */
    char name[40]; /* beginning of their names */
    unsigned ids;  /* names that were given so far */
    struct {
        const char *sql;
        unsigned id;
    } statements[DB_KEPT_MAX];
    size_t count;
    size_t before; /* of these, were there before the exchange under way */
};

/* Another connection begins: nothing is kept, and nothing may be. */
void db_kept_forget(struct db_kept *kept);

/* An exchange begins; it failed, and nobody knows whether what is new in it is kept. */
void db_kept_begin(struct db_kept *kept);
void db_kept_take_back(struct db_kept *kept);

/* The name of a statement, which is known by its address. Where *ret_is_new, it has to be prepared
 * first. False: it is not to be kept. */
bool db_kept_find(struct db_kept *kept, const char *sql, char ret_name[DB_KEPT_NAME_SIZE],
                  bool *ret_is_new);

/* Whether an error says that a statement is not there, that another one of that name is, or that
 * what it reads has changed its type. */
bool db_kept_is_to_blame(const struct db_kept *kept, const char *sqlstate);

#endif

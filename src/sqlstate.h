/*
 * What PostgreSQL's error codes mean for a client that reconnects, repeats or
 * gives up (PostgreSQL documentation, appendix A).
 */
#ifndef HARPSWEEP_SQLSTATE_H
#define HARPSWEEP_SQLSTATE_H

#include "err.h"

#include <stddef.h>

/* ERR_DB_LOST: reconnect; ERR_DB_AGAIN: repeat; ERR_SCHEMA: install or grant; else ERR_DB. */
enum err_kind sqlstate_kind(const char *state);

/* Adds to err what an administrator can do about such an error, where anything is known. */
void sqlstate_hint(struct err *err, const char *state);

/* Kind of a failed connection, by the server's words (there is no code then): ERR_CONFIG where
 * it refused who we are, else ERR_DB_LOST. */
enum err_kind sqlstate_refusal_kind(const char *message);

/* Copies one of libpq's messages, which span lines, as one line without a newline. */
void sqlstate_line(const char *message, char *line, size_t size);

#endif

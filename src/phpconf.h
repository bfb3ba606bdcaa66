/*
 * Nextcloud's config.php, read and never run: PHP's grammar as far as Nextcloud itself writes it,
 * an array of literals that is assigned to $CONFIG. Whatever else stands there is refused by its
 * line, because what was not understood might have been what matters.
 *
 * Source: Nextcloud's lib/private/Config.php writes it with var_export(); documentation of
 * config.sample.php.
 */
#ifndef HARPSWEEP_PHPCONF_H
#define HARPSWEEP_PHPCONF_H

#include "err.h"

#include <stdbool.h>

/* NULL where the file does not say. */
struct phpconf {
    char *path; /* of the file that was read */
    char *dbtype;
    char *dbhost;
    char *dbport;
    char *dbname;
    char *dbuser;
    char *dbpassword; /* wiped by phpconf_close() */
    char *dbtableprefix;
};

/* Reads a file, or config/config.php or config.php in a folder. phpconf_close() it. */
bool phpconf_open(const char *path, struct phpconf *ret_conf, struct err *err) MUST_CHECK;
void phpconf_close(struct phpconf *conf);

/* Nextcloud reads every *.config.php beside config.php after it. One that mentions the database, or
 * NULL. mem_free() it. */
char *phpconf_other(const char *path);

/* The database as a connection string of libpq's, without user and password. dbhost may be a host,
 * an address in brackets, a folder of sockets, and either with ":PORT" or ":FOLDER" behind it, as
 * Nextcloud takes it. mem_free() it. */
bool phpconf_conninfo(const struct phpconf *conf, char **ret_conninfo, struct err *err) MUST_CHECK;

#endif

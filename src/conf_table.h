/*
 * The table of options and the values in it, shared by the files of conf.
 */
#ifndef HARPSWEEP_CONF_TABLE_H
#define HARPSWEEP_CONF_TABLE_H

#include "conf.h"

#include <stddef.h>

enum conf_type {
    CONF_TEXT,
    CONF_PATH,
    CONF_BOOL,
    CONF_NUMBER, /* int64_t */
    CONF_INT,    /* a number in an int */
    CONF_DURATION,
    CONF_GLOBS,
    CONF_URL,
};

struct conf_option {
    const char *section; /* "daemon" for the daemons' sections */
    const char *name;
    enum conf_type type;
    size_t offset; /* in struct conf, or in struct conf_daemon */
    int64_t min;   /* of a number; of a CONF_DURATION in milliseconds */
    int64_t max;
    const char *default_value; /* as in the file; "": none */
    const char *help;
};

/* Option index, or NULL behind the last. */
const struct conf_option *conf_option_at(size_t index);

/* What is allowed, in words; writes to text and returns it. */
const char *conf_option_allowed(const struct conf_option *option, char *text, size_t size);

/* Milliseconds as they would stand in the file. */
void conf_print_duration(char *text, size_t size, int64_t ms);

/* Whether a connection string holds a password. */
bool conf_has_password(const char *conninfo);

/* Puts the text of the file into base (a struct conf or a struct conf_daemon). The error does not
 * say where: its caller knows. */
bool conf_option_set(const struct conf_option *option, void *base, const char *value,
                     struct err *err) MUST_CHECK;

/* Reads the keys, fills in what a section leaves to [harp] and [run], and refuses what contradicts
 * itself. */
bool conf_complete(struct conf *conf, struct err *err) MUST_CHECK;

#endif

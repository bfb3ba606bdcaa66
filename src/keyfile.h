/*
 * A file that holds HaRP's shared key.
 */
#ifndef HARPSWEEP_KEYFILE_H
#define HARPSWEEP_KEYFILE_H

#include "err.h"

#include <stdbool.h>

/* A command for a shell that prints HaRP's shared key; appapi-harp is the usual name of its
 * container. */
#define KEYFILE_FROM_HARP                                                                \
    "docker inspect appapi-harp --format '{{range .Config.Env}}{{println .}}{{end}}' | " \
    "sed -n s/^HP_SHARED_KEY=//p"

/* The key in the file at path, without white space around it and without one pair of quotes, as
 * HaRP takes it. Refuses a file that others can read or that belongs to somebody else; the error
 * (ERR_CONFIG) names the file, never what is in it. mem_wipe_free() the key. */
bool keyfile_read(const char *path, char **ret_key, struct err *err) MUST_CHECK;

#endif

/*
 * The settings: an INI file, read and checked as a whole before anything else.
 *
 * One table in conf_options.c declares every option (section, name, type, range, default,
 * help). The parser, `check`, `--help` and the test of etc/harpsweep.ini all
 * read that table.
 */
#ifndef HARPSWEEP_CONF_H
#define HARPSWEEP_CONF_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One [daemon:…] section; texts it leaves out are taken from [harp]. */
struct conf_daemon {
    char *section;   /* what stands behind "daemon:" */
    char *name;      /* as in job.daemon */
    char *url;       /* http(s)://host[:port][/path], without a trailing slash; NULL: Nextcloud's */
    int engine_port; /* docker-engine-port header, 1…65535; 0: Nextcloud's */
    char *key_file;  /* where the key came from */
    char *key;       /* shared key; never printed; wiped by conf_free */
    char *ca_file;   /* NULL: the system's certificates */
    int max_parallel; /* requests at once */
    int line;         /* where its section starts, for messages */
};

struct conf {
    char *path; /* of the file that was read */

    /* [database] */
    char *conninfo;
    char *table_prefix;
    char *nextcloud_schema;

    /* [cleanup] */
    bool enabled;
    int64_t grace_hours;
    bool follow_nextcloud;
    char **keep; /* globs, as fnmatch(3) without flags; keep_count of them */
    size_t keep_count;
    int64_t keep_previous;
    bool verify;
    bool protect_unpullable;
    int64_t in_use_recheck_hours;
    int64_t in_use_max_rechecks;
    int64_t max_failures;
    int64_t history_days;

    /* [run], spans in milliseconds */
    int64_t max_parallel;
    int64_t max_parallel_per_daemon;
    int64_t max_jobs; /* 0: no limit */
    int64_t soft_limit_ms;
    int64_t hard_limit_ms;
    int64_t lease_ms;
    char *metrics_file;

    /* [harp] */
    char *key_file;
    int key_line; /* where key_file stands in the file */
    char *key;    /* of daemons without a section of their own; NULL where there is no key_file */
    char *ca_file;
    int64_t connect_timeout_ms;
    int64_t timeout_ms;

    struct conf_daemon *daemons;
    size_t daemon_count;
};

/* What is left of a lease after the longest request, for recording its result
 * and for clocks that are read a moment apart (milliseconds). */
#define CONF_LEASE_RECORD_MS 10000
#define CONF_LEASE_MARGIN_MS 20000

/* Reads, checks and completes the settings in the file at path, key files
 * included. On failure the error names file, line, option and what is allowed;
 * *ret_conf is untouched. conf_free() the result. Connects to nothing. */
bool conf_load(const char *path, struct conf **ret_conf, struct err *err) MUST_CHECK;

/* Wipes the keys and frees; NULL is fine. */
void conf_free(struct conf *conf);

/* The daemon of that name, or NULL. */
const struct conf_daemon *conf_find_daemon(const struct conf *conf, const char *name);

/* Whether value is http(s)://HOST[:PORT][/PATH]; *ret_url is it without slashes at its end.
 * mem_free() it. */
bool conf_parse_url(const char *value, char **ret_url, struct err *err) MUST_CHECK;

/* Whether an image reference matches one of the keep patterns; returns that pattern or NULL. */
const char *conf_keep_match(const struct conf *conf, const char *image_ref);

/* The option table, as text for people: one option per row of the array. */
struct conf_option_text {
    const char *section; /* "database" … "daemon:NAME" */
    const char *name;
    const char *type;          /* "duration", "whole number", … */
    const char *allowed;       /* "1…256", "yes or no", … */
    const char *default_value; /* as it would be written in the file; "" for none */
    const char *help;
};

/* Number of options, and the text of option index (valid for the program's life). */
size_t conf_option_count(void);
struct conf_option_text conf_option_text(size_t index);

/* The value in force of option index in conf, as it would be written in the file, keys'
 * contents never, a password inside conninfo shown as "***". For daemon options daemon says
 * which; else NULL. mem_free() it. */
char *conf_option_value(const struct conf *conf, const struct conf_daemon *daemon, size_t index);

/* The version of inih that the program was built with: the library itself cannot tell. */
const char *conf_library_version(void);

#endif

#include "conf.h"

#include "conf_scan.h"
#include "conf_table.h"
#include "mem.h"

#include <fnmatch.h>
#include <ini.h>
#include <string.h>

#define CONF_DAEMON_PREFIX "daemon:"

#ifndef HARPSWEEP_INIH_VERSION
#define HARPSWEEP_INIH_VERSION "unknown"
#endif

/* More options than the table has; their bits say which were given. */
#define CONF_OPTIONS_MAX 64

/* A file while it is read. */
struct conf_reader {
    struct conf *conf;
    const struct conf_scan *scan;
    size_t key;             /* lines with a value so far */
    uint64_t given;         /* options of [database] … [harp] that were given */
    uint64_t *given_daemon; /* the same for each daemon */
    struct err *err;
    bool failed;
};

/* What the sections of daemons begin with. */
static const char *
conf_daemon_of_section(const char *section)
{
    size_t length = sizeof CONF_DAEMON_PREFIX - 1;

    return strncmp(section, CONF_DAEMON_PREFIX, length) == 0 ? section + length : NULL;
}

static bool
conf_is_section(const char *section)
{
    for (size_t i = 0; conf_option_at(i) != NULL; i++) {
        if (strcmp(conf_option_at(i)->section, section) == 0 && strcmp(section, "daemon") != 0) {
            return true;
        }
    }
    return false;
}

static bool
conf_set_defaults(bool daemon, void *base, struct err *err)
{
    const struct conf_option *option;

    for (size_t i = 0; (option = conf_option_at(i)) != NULL; i++) {
        bool mine = daemon == (strcmp(option->section, "daemon") == 0);

        if (mine && option->default_value[0] != '\0' &&
            !conf_option_set(option, base, option->default_value, err)) {
            return false;
        }
    }
    return true;
}

/* A daemon for each of its sections, also for one that holds nothing. */
static bool
conf_add_daemons(struct conf_reader *reader)
{
    struct conf *conf = reader->conf;

    conf->daemons = mem_alloc(reader->scan->section_count, sizeof *conf->daemons);
    reader->given_daemon = mem_alloc(reader->scan->section_count, sizeof *reader->given_daemon);
    for (size_t i = 0; i < reader->scan->section_count; i++) {
        const struct conf_section *section = &reader->scan->sections[i];
        const char *name = conf_daemon_of_section(section->name);
        struct conf_daemon *daemon = &conf->daemons[conf->daemon_count];

        if (name == NULL && conf_is_section(section->name)) {
            continue;
        }
        if (name == NULL || name[0] == '\0') {
            (void)err_set(reader->err, ERR_CONFIG, "%s:%d: unknown section [%s]", conf->path,
                          section->line, section->name);
            return err_hint(reader->err,
                            "sections are [database] [cleanup] [run] [harp] and [daemon:NAME]");
        }
        conf->daemon_count++;
        daemon->section = mem_strdup(name);
        daemon->line = section->line;
        if (!conf_set_defaults(true, daemon, reader->err)) {
            return false;
        }
    }
    return true;
}

static struct conf_daemon *
conf_daemon_by_section(const struct conf_reader *reader, const char *name, size_t *ret_index)
{
    for (size_t i = 0; i < reader->conf->daemon_count; i++) {
        if (strcmp(reader->conf->daemons[i].section, name) == 0) {
            *ret_index = i;
            return &reader->conf->daemons[i];
        }
    }
    return NULL; /* every section was seen by the scan */
}

static const struct conf_option *
conf_find_option(const char *section, const char *name, size_t *ret_index)
{
    const struct conf_option *option;

    for (size_t i = 0; (option = conf_option_at(i)) != NULL; i++) {
        if (strcmp(option->section, section) == 0 && strcmp(option->name, name) == 0) {
            *ret_index = i;
            return option;
        }
    }
    return NULL;
}

static bool
conf_unknown_option(const struct conf_reader *reader, int line, const char *section,
                    const char *name)
{
    const struct conf_option *option;

    (void)err_set(reader->err, ERR_CONFIG, "%s:%d: [%s] %s: unknown option", reader->conf->path,
                  line, section, name);
    for (size_t i = 0; (option = conf_option_at(i)) != NULL; i++) {
        if (strcmp(option->name, name) == 0) {
            return err_hint(reader->err, "it belongs in [%s%s]", option->section,
                            strcmp(option->section, "daemon") == 0 ? ":NAME" : "");
        }
    }
    return err_hint(reader->err, "'harpsweep help settings' lists all options");
}

static bool
conf_take_value(struct conf_reader *reader, const char *section, const char *name,
                const char *value)
{
    int line = reader->scan->key_lines[reader->key];
    const char *daemon_name = conf_daemon_of_section(section);
    uint64_t *given = &reader->given;
    void *base = reader->conf;
    const struct conf_option *option;
    size_t index = 0;
    struct err err;

    if (daemon_name != NULL) {
        base = conf_daemon_by_section(reader, daemon_name, &index);
        given = &reader->given_daemon[index];
    }
    option = conf_find_option(daemon_name == NULL ? section : "daemon", name, &index);
    if (option == NULL) {
        return conf_unknown_option(reader, line, section, name);
    }
    if ((*given & UINT64_C(1) << index) != 0 && option->type != CONF_GLOBS) {
        return err_set(reader->err, ERR_CONFIG, "%s:%d: [%s] %s: given twice", reader->conf->path,
                       line, section, name);
    }
    *given |= UINT64_C(1) << index;
    if (value[0] == '\0') {
        return err_set(reader->err, ERR_CONFIG, "%s:%d: [%s] %s: no value", reader->conf->path,
                       line, section, name);
    }
    if (!conf_option_set(option, base, value, &err)) {
        return err_set(reader->err, ERR_CONFIG, "%s:%d: [%s] %s: %s", reader->conf->path, line,
                       section, name, err.text);
    }
    if (daemon_name == NULL && option->offset == offsetof(struct conf, key_file)) {
        reader->conf->key_line = line;
    }
    return true;
}

/* inih calls this for each line with a value, in order. */
static int
conf_on_value(void *user, const char *section, const char *name, const char *value)
{
    struct conf_reader *reader = user;

    if (!reader->failed) {
        /* The scan and inih count the same lines, or something is deeply wrong with one of them. */
        reader->failed = reader->key >= reader->scan->key_count
                             ? !err_set(reader->err, ERR_INTERNAL,
                                        "%s: it is read in two ways that differ: please report "
                                        "this file, without its passwords",
                                        reader->conf->path)
                             : !conf_take_value(reader, section, name, value);
        reader->key++;
    }
    return 1;
}

static bool
conf_read(struct conf *conf, const struct conf_scan *scan, struct err *err)
{
    struct conf_reader reader = {.conf = conf, .scan = scan, .err = err};
    bool done = conf_set_defaults(false, conf, err) && conf_add_daemons(&reader);

    if (done) {
        int line = ini_parse_string(scan->text, conf_on_value, &reader);

        done = !reader.failed;
        if (done && line != 0) {
            done = err_set(err, ERR_CONFIG,
                           "%s:%d: this line is no [SECTION], no NAME = VALUE and no comment",
                           conf->path, line);
        }
    }
    mem_free(reader.given_daemon);
    return done;
}

bool
conf_load(const char *path, struct conf **ret_conf, struct err *err)
{
    struct conf *conf = mem_alloc(1, sizeof *conf);
    struct conf_scan scan;
    bool done;

    conf->path = mem_strdup(path);
    done = conf_scan_file(path, &scan, err) && conf_read(conf, &scan, err);
    conf_scan_free(&scan);
    if (done && conf->conninfo == NULL) {
        (void)err_set(err, ERR_CONFIG, "%s: [database] conninfo is missing", path);
        done = err_hint(err, "for example: conninfo = host=/run/postgresql dbname=nextcloud");
    }
    if (!done || !conf_complete(conf, err)) {
        conf_free(conf);
        return false;
    }
    *ret_conf = conf;
    return true;
}

void
conf_free(struct conf *conf)
{
    if (conf == NULL) {
        return;
    }
    for (size_t i = 0; i < conf->daemon_count; i++) {
        struct conf_daemon *daemon = &conf->daemons[i];

        mem_free(daemon->section);
        mem_free(daemon->name);
        mem_free(daemon->url);
        mem_free(daemon->key_file);
        mem_free(daemon->ca_file);
        mem_wipe_free(daemon->key);
    }
    for (size_t i = 0; i < conf->keep_count; i++) {
        mem_free(conf->keep[i]);
    }
    mem_free(conf->keep);
    mem_free(conf->daemons);
    mem_free(conf->path);
    mem_wipe_free(conf->conninfo);
    mem_free(conf->table_prefix);
    mem_free(conf->nextcloud_schema);
    mem_free(conf->metrics_file);
    mem_free(conf->key_file);
    mem_wipe_free(conf->key);
    mem_free(conf->ca_file);
    mem_free(conf);
}

const struct conf_daemon *
conf_find_daemon(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->daemon_count; i++) {
        if (strcmp(conf->daemons[i].name, name) == 0) {
            return &conf->daemons[i];
        }
    }
    return NULL;
}

const char *
conf_keep_match(const struct conf *conf, const char *image_ref)
{
    for (size_t i = 0; i < conf->keep_count; i++) {
        if (fnmatch(conf->keep[i], image_ref, 0) == 0) {
            return conf->keep[i];
        }
    }
    return NULL;
}

const char *
conf_library_version(void)
{
    return HARPSWEEP_INIH_VERSION;
}

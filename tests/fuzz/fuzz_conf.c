/*
 * The settings: a file through conf_load(), and what is in force printed and read again.
 *
 * Input: the file. "/proc/self/fd/200" in it is a key file that is as it must be.
 */
#define _GNU_SOURCE /* memfd_create */
#include "conf.h"
#include "fuzz_files.h"
#include "keyfile.h"
#include "mem.h"

#include <libpq-fe.h>

/* Whoever reads the message has to find the place; what the key file holds is not told. */
static void
check_error(const struct err *err, bool key_in_file)
{
    FUZZ_CHECK(err->kind == ERR_CONFIG, "kind %d: %s", (int)err->kind, err->text);
    FUZZ_CHECK(strncmp(err->text, FUZZ_FILE_PATH ":", sizeof FUZZ_FILE_PATH) == 0, "%s", err->text);
    FUZZ_CHECK(memchr(err->text, '\0', sizeof err->text) != NULL &&
                   memchr(err->hint, '\0', sizeof err->hint) != NULL,
               "no end");
    FUZZ_CHECK(key_in_file ||
                   (strstr(err->text, FUZZ_KEY) == NULL && strstr(err->hint, FUZZ_KEY) == NULL),
               "%s", err->text);
}

/* "keyword = value" of a connection string, as it is written there. */
struct pair {
    const char *keyword;
    size_t keyword_length;
    const char *value;
    size_t value_length;
};

/* Reads on as libpq does, in what it has taken; false at the end. */
static bool
next_pair(const char **at, struct pair *ret_pair)
{
    static const char space[] = " \t\n\v\f\r";
    const char *value;
    const char *end;
    bool quoted;

    ret_pair->keyword = *at + strspn(*at, space);
    if (*ret_pair->keyword == '\0') {
        return false;
    }
    ret_pair->keyword_length = strcspn(ret_pair->keyword, "= \t\n\v\f\r");
    value = ret_pair->keyword + ret_pair->keyword_length;
    value += strspn(value, space) + 1;
    value += strspn(value, space);
    quoted = *value == '\'';
    for (end = value + quoted;
         *end != '\0' && (quoted ? *end != '\'' : strchr(space, *end) == NULL);) {
        end += end[0] == '\\' && end[1] != '\0' ? 2 : 1;
    }
    *at = end + quoted;
    ret_pair->value = value;
    ret_pair->value_length = (size_t)(*at - value);
    return true;
}

static bool
is_secret(const PQconninfoOption *options, const struct pair *pair)
{
    for (; options->keyword != NULL; options++) {
        if (strlen(options->keyword) == pair->keyword_length &&
            memcmp(options->keyword, pair->keyword, pair->keyword_length) == 0) {
            return options->dispchar[0] == '*';
        }
    }
    return false;
}

/* Everything as it was given, but for the secrets. */
static void
check_pairs(const PQconninfoOption *options, const char *conninfo, const char *shown)
{
    struct pair given;
    struct pair told;

    for (const char *from = conninfo, *at = shown; next_pair(&from, &given);) {
        bool found = next_pair(&at, &told);

        FUZZ_CHECK(found && told.keyword_length == given.keyword_length &&
                       memcmp(told.keyword, given.keyword, given.keyword_length) == 0,
                   "%s for %s", shown, conninfo);
        if (is_secret(options, &given)) {
            FUZZ_CHECK(strncmp(told.value, "***", 3) == 0, "%s shows the %.*s", shown,
                       (int)given.keyword_length, given.keyword);
            at = told.value + 3; /* the next keyword may follow a quote without a space */
        } else {
            FUZZ_CHECK(told.value_length == given.value_length &&
                           memcmp(told.value, given.value, given.value_length) == 0,
                       "%s for %s", shown, conninfo);
        }
    }
}

/* No secret is found in it, but where somebody has a name that holds the password. */
static void
check_uri(const PQconninfoOption *options, const char *shown)
{
    for (const PQconninfoOption *secret = options; secret->keyword != NULL; secret++) {
        bool elsewhere = false;

        if (secret->dispchar[0] != '*' || secret->val == NULL || strlen(secret->val) < 4) {
            continue;
        }
        for (const PQconninfoOption *other = options; other->keyword != NULL; other++) {
            elsewhere = elsewhere || (other->dispchar[0] != '*' && other->val != NULL &&
                                      strstr(other->val, secret->val) != NULL);
        }
        FUZZ_CHECK(elsewhere || strstr(shown, secret->val) == NULL, "%s shows the %s", shown,
                   secret->keyword);
    }
}

/* What is shown of a connection string holds none of its secrets, as libpq finds them in it. */
static void
check_no_secret(const char *conninfo, const char *shown)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);

    if (options != NULL && strncmp(conninfo, "postgres://", 11) != 0 &&
        strncmp(conninfo, "postgresql://", 13) != 0) {
        check_pairs(options, conninfo, shown);
    } else if (options != NULL) {
        check_uri(options, shown);
    }
    PQconninfoFree(options);
}

static bool
is_daemon_option(size_t index)
{
    return strcmp(conf_option_text(index).section, "daemon:NAME") == 0;
}

static void
print_line(FILE *file, const char *name, const char *value)
{
    if (value[0] != '\0') {
        (void)fprintf(file, "%s=%s\n", name, value);
    }
}

/* The settings in force as a file; a password and a list are not printed as they would be written
 * there, so those come from conf itself. */
static void
print_all(FILE *file, const struct conf *conf)
{
    const char *section = "";

    for (size_t i = 0; i < conf_option_count(); i++) {
        struct conf_option_text option = conf_option_text(i);
        char *value;

        if (is_daemon_option(i)) {
            continue;
        }
        if (strcmp(section, option.section) != 0) {
            section = option.section;
            (void)fprintf(file, "[%s]\n", section);
        }
        value = conf_option_value(conf, NULL, i);
        if (strcmp(option.name, "conninfo") == 0) {
            check_no_secret(conf->conninfo, value);
            print_line(file, option.name, conf->conninfo);
        } else if (strcmp(option.name, "keep") == 0) {
            for (size_t j = 0; j < conf->keep_count; j++) {
                print_line(file, option.name, conf->keep[j]);
            }
        } else {
            print_line(file, option.name, value);
        }
        mem_free(value);
    }
    for (size_t d = 0; d < conf->daemon_count; d++) {
        (void)fprintf(file, "[daemon:%s]\n", conf->daemons[d].section);
        for (size_t i = 0; i < conf_option_count(); i++) {
            if (is_daemon_option(i)) {
                char *value = conf_option_value(conf, &conf->daemons[d], i);

                print_line(file, conf_option_text(i).name, value);
                mem_free(value);
            }
        }
    }
}

static void
check_same(const struct conf *one, const struct conf_daemon *one_daemon, const struct conf *two,
           const struct conf_daemon *two_daemon)
{
    for (size_t i = 0; i < conf_option_count(); i++) {
        if (is_daemon_option(i) == (one_daemon != NULL)) {
            char *a = conf_option_value(one, one_daemon, i);
            char *b = conf_option_value(two, two_daemon, i);

            FUZZ_CHECK(strcmp(a, b) == 0, "%s: \"%s\" became \"%s\"", conf_option_text(i).name, a,
                       b);
            mem_free(a);
            mem_free(b);
        }
    }
}

static void
check_round_trip(const struct conf *conf)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    struct conf *again = NULL;
    struct err err = {.text = ""};

    FUZZ_CHECK(file != NULL, "no memory");
    print_all(file, conf);
    (void)fclose(file);
    fuzz_write_file(FUZZ_AGAIN_FD, text, length);
    FUZZ_CHECK(conf_load(FUZZ_AGAIN_PATH, &again, &err), "%s\n%s", err.text, text);
    check_same(conf, NULL, again, NULL);
    FUZZ_CHECK(conf->daemon_count == again->daemon_count, "other daemons");
    for (size_t i = 0; i < conf->daemon_count; i++) {
        check_same(conf, &conf->daemons[i], again, &again->daemons[i]);
    }
    conf_free(again);
    free(text);
}

/* Whether a line of the file has that value, to its last character but white space; slashes may
 * follow a URL. inih would cut some lines without a word. */
static bool
stands_in_file(const char *file, const char *value, const char *more)
{
    size_t length = strlen(value);

    for (const char *line = file; *line != '\0';) {
        size_t end = strcspn(line, "\n");
        const char *at = memchr(line, '=', end);

        if (at != NULL) {
            at += 1 + strspn(at + 1, " \t");
            if (strncmp(at, value, length) == 0) {
                at += length + strspn(at + length, more);
                at += strspn(at, " \t\r");
                if (*at == '\n' || *at == '\0') {
                    return true;
                }
            }
        }
        line += end + (line[end] == '\n' ? 1 : 0);
    }
    return false;
}

static void
check_text(const char *file, const char *value, const char *more)
{
    FUZZ_CHECK(value == NULL || stands_in_file(file, value, more), "\"%s\" is cut", value);
}

static void
check_texts(const char *file, const struct conf *conf)
{
    check_text(file, conf->conninfo, "");
    check_text(file, conf->key_file, "");
    check_text(file, conf->ca_file, "");
    for (size_t i = 0; i < conf->keep_count; i++) {
        check_text(file, conf->keep[i], "");
    }
    for (size_t i = 0; i < conf->daemon_count; i++) {
        const struct conf_daemon *daemon = &conf->daemons[i];

        check_text(file, daemon->url, "/");
        check_text(file, daemon->key_file, "");
        check_text(file, daemon->ca_file, "");
        check_text(file, strcmp(daemon->name, daemon->section) == 0 ? NULL : daemon->name, "");
    }
}

/* What the rest of the program relies on. */
static void
check_loaded(const struct conf *conf)
{
    FUZZ_CHECK(conf->conninfo != NULL && conf->conninfo[0] != '\0', "no database");
    FUZZ_CHECK(conf->daemon_count > 0 || conf->key != NULL, "neither a daemon nor a key");
    FUZZ_CHECK(conf->lease_ms >= conf->timeout_ms + CONF_LEASE_RECORD_MS + CONF_LEASE_MARGIN_MS,
               "the lease is too short");
    FUZZ_CHECK(conf->hard_limit_ms >= conf->soft_limit_ms + conf->timeout_ms &&
                   conf->connect_timeout_ms <= conf->timeout_ms,
               "limits");
    FUZZ_CHECK(conf->grace_hours >= 0 && conf->grace_hours <= 720 && conf->max_parallel > 0 &&
                   conf->max_failures > 0 && conf->in_use_max_rechecks > 0,
               "ranges");
    for (size_t i = 0; i < conf->daemon_count; i++) {
        const struct conf_daemon *daemon = &conf->daemons[i];

        FUZZ_CHECK(daemon->name[0] != '\0' && conf_find_daemon(conf, daemon->name) == daemon,
                   "two daemons are %s", daemon->name);
        /* What the section leaves out, Nextcloud says. */
        FUZZ_CHECK(daemon->engine_port >= 0 && daemon->engine_port < 65536 &&
                       daemon->max_parallel > 0,
                   "port %d", daemon->engine_port);
        FUZZ_CHECK(daemon->url == NULL || (strncmp(daemon->url, "http", 4) == 0 &&
                                           daemon->url[strlen(daemon->url) - 1] != '/' &&
                                           strpbrk(daemon->url, " @?#") == NULL),
                   "url %s", daemon->url);
        FUZZ_CHECK(daemon->key[0] != '\0' && strpbrk(daemon->key, "\r\n\"\\") == NULL, "a key");
    }
    for (size_t i = 0; i < conf->keep_count; i++) {
        /* It may match or not; it must only come to an end. */
        (void)conf_keep_match(conf, "ghcr.io/nextcloud/app:1");
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf *conf = NULL;
    struct err err = {.kind = ERR_NONE, .text = "", .hint = ""};

    fuzz_make_files();
    fuzz_write_file(FUZZ_FILE_FD, data, size);
    if (conf_load(FUZZ_FILE_PATH, &conf, &err)) {
        char *file = fuzz_copy(data, size);

        check_loaded(conf);
        check_texts(file, conf);
        free(file);
        check_round_trip(conf);
        conf_free(conf);
    } else {
        FUZZ_CHECK(conf == NULL, "a result beside an error");
        check_error(&err, memmem(data, size, FUZZ_KEY, sizeof FUZZ_KEY - 1) != NULL);
    }
    return 0;
}

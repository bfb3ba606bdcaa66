#define _DEFAULT_SOURCE /* explicit_bzero */
#include "phpconf.h"

#include "buf.h"
#include "fdio.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nextcloud's are a few kilobytes. */
#define PHPCONF_SIZE_MAX 1048576
#define PHPCONF_DEPTH_MAX 32

struct phpconf_reader {
    const char *path;
    const char *at;
    int line;
    int depth;
    struct phpconf *conf;
    struct err *err;
};

static const struct {
    const char *key;
    size_t offset;
} phpconf_keys[] = {
    {"dbtype", offsetof(struct phpconf, dbtype)},
    {"dbhost", offsetof(struct phpconf, dbhost)},
    {"dbport", offsetof(struct phpconf, dbport)},
    {"dbname", offsetof(struct phpconf, dbname)},
    {"dbuser", offsetof(struct phpconf, dbuser)},
    {"dbpassword", offsetof(struct phpconf, dbpassword)},
    {"dbtableprefix", offsetof(struct phpconf, dbtableprefix)},
};

#define PHPCONF_KEYS (sizeof phpconf_keys / sizeof *phpconf_keys)

/* A word of the file in a message: names of functions and constants, never a value. */
static bool
phpconf_refuse(const struct phpconf_reader *reader, const char *what)
{
    size_t length = strspn(reader->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$");

    if (length > 0) {
        (void)err_set(reader->err, ERR_CONFIG, "%s:%d: %s, but here stands '%.*s'", reader->path,
                      reader->line, what, (int)(length < 40 ? length : 40), reader->at);
    } else if (*reader->at == '\0') {
        (void)err_set(reader->err, ERR_CONFIG, "%s:%d: %s, but the file ends", reader->path,
                      reader->line, what);
    } else {
        (void)err_set(reader->err, ERR_CONFIG, "%s:%d: %s, but here stands '%c'", reader->path,
                      reader->line, what,
                      *reader->at > ' ' && *reader->at < 0x7f ? *reader->at : '?');
    }
    return err_hint(reader->err,
                    "config.php is read and never run, so what is computed in it is not "
                    "known; tell setup the database with --conninfo instead");
}

static void
phpconf_skip_to(struct phpconf_reader *reader, const char *end)
{
    const char *found = strstr(reader->at, end);
    const char *stop = found == NULL ? reader->at + strlen(reader->at) : found + strlen(end);

    for (; reader->at < stop; reader->at++) {
        reader->line += *reader->at == '\n';
    }
}

/* White space and comments. */
static void
phpconf_skip(struct phpconf_reader *reader)
{
    for (;;) {
        if (*reader->at != '\0' && strchr(" \t\r\n", *reader->at) != NULL) {
            reader->line += *reader->at++ == '\n';
        } else if (*reader->at == '#' || strncmp(reader->at, "//", 2) == 0) {
            phpconf_skip_to(reader, "\n");
        } else if (strncmp(reader->at, "/*", 2) == 0) {
            phpconf_skip_to(reader, "*/");
        } else {
            return;
        }
    }
}

/* Takes a word, given in small letters, or a sign of PHP's where it comes next, in either case. */
static bool
phpconf_take(struct phpconf_reader *reader, const char *word)
{
    size_t length = strlen(word);

    phpconf_skip(reader);
    for (size_t i = 0; i < length; i++) {
        char letter = reader->at[i];

        if (letter >= 'A' && letter <= 'Z') {
            letter = (char)(letter - 'A' + 'a');
        }
        if (letter != word[i]) {
            return false;
        }
    }
    reader->at += length;
    return true;
}

/* A literal in quotes. Of escapes only those that PHP has in single quotes, and \" in double ones:
 * others, and variables inside, are refused. */
static bool
phpconf_string(struct phpconf_reader *reader, struct buf *ret_text)
{
    char quote = *reader->at++;

    while (*reader->at != quote) {
        if (*reader->at == '\0') {
            return phpconf_refuse(reader, "a text has no end");
        }
        if (quote == '"' && (*reader->at == '$' || *reader->at == '{')) {
            return phpconf_refuse(reader, "a text with a variable in it is not read");
        }
        if (*reader->at == '\\' && (reader->at[1] == quote || reader->at[1] == '\\')) {
            reader->at++;
        } else if (*reader->at == '\\' && quote == '"') {
            return phpconf_refuse(reader, "this escape in a text is not read");
        }
        reader->line += *reader->at == '\n';
        (void)buf_add(ret_text, reader->at++, 1);
    }
    reader->at++;
    return true;
}

/* A whole or broken number, as text. */
static bool
phpconf_number(struct phpconf_reader *reader, struct buf *ret_text)
{
    size_t length = (size_t)(*reader->at == '-');

    length += strspn(reader->at + length, "0123456789.");
    if (length == 0 || reader->at[length - 1] == '-' || reader->at[length - 1] == '.') {
        return false;
    }
    (void)buf_add(ret_text, reader->at, length);
    reader->at += length;
    return true;
}

static bool phpconf_array(struct phpconf_reader *reader, const char *end);

/* Sets *ret_plain where it is a text or a number; arrays, true, false and null are not. */
static bool
phpconf_value(struct phpconf_reader *reader, struct buf *ret_text, bool *ret_plain)
{
    static const char *const words[] = {"true", "false", "null"};

    *ret_plain = false;
    phpconf_skip(reader);
    if (*reader->at == '\'' || *reader->at == '"') {
        *ret_plain = true;
        return phpconf_string(reader, ret_text);
    }
    if (phpconf_number(reader, ret_text)) {
        *ret_plain = true;
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (phpconf_take(reader, words[i])) {
            return true;
        }
    }
    if (phpconf_take(reader, "[")) {
        return phpconf_array(reader, "]");
    }
    if (phpconf_take(reader, "array")) {
        return phpconf_take(reader, "(") ? phpconf_array(reader, ")")
                                         : phpconf_refuse(reader, "'(' is missing");
    }
    return phpconf_refuse(reader, "a value is a text, a number, true, false, null or an array");
}

/* Keeps what the settings of the database are. */
static bool
phpconf_keep(struct phpconf_reader *reader, const char *key, const struct buf *value, bool plain)
{
    for (size_t i = 0; i < PHPCONF_KEYS; i++) {
        char **target = (char **)(void *)((char *)reader->conf + phpconf_keys[i].offset);

        if (strcmp(phpconf_keys[i].key, key) != 0) {
            continue;
        }
        if (!plain) {
            return err_set(reader->err, ERR_CONFIG, "%s:%d: '%s' is neither a text nor a number",
                           reader->path, reader->line, key);
        }
        mem_wipe_free(*target); /* PHP: the last one counts */
        *target = mem_strdup(buf_text(value));
    }
    return true;
}

/* [KEY =>] VALUE */
static bool
phpconf_element(struct phpconf_reader *reader)
{
    struct buf first;
    struct buf second;
    bool plain = false;
    bool done;

    buf_init(&first, PHPCONF_SIZE_MAX);
    buf_init(&second, PHPCONF_SIZE_MAX);
    done = phpconf_value(reader, &first, &plain);
    if (done && phpconf_take(reader, "=>")) {
        bool has_key = plain;

        done = has_key || phpconf_refuse(reader, "a key is a text or a number");
        done = done && phpconf_value(reader, &second, &plain) &&
               (reader->depth > 1 || phpconf_keep(reader, buf_text(&first), &second, plain));
    }
    buf_free(&first);
    buf_wipe_free(&second);
    return done;
}

/* Behind its opening bracket. */
static bool
phpconf_array(struct phpconf_reader *reader, const char *end)
{
    if (reader->depth++ > PHPCONF_DEPTH_MAX) {
        return phpconf_refuse(reader, "arrays are nested too deeply");
    }
    while (!phpconf_take(reader, end)) {
        if (!phpconf_element(reader)) {
            return false;
        }
        if (!phpconf_take(reader, ",")) {
            if (phpconf_take(reader, end)) {
                break;
            }
            return phpconf_refuse(reader, "a comma or the array's end is missing");
        }
    }
    reader->depth--;
    return true;
}

/* <?php $CONFIG = ARRAY ; [?>] */
static bool
phpconf_parse(struct phpconf_reader *reader)
{
    if (strncmp(reader->at, "<?php", 5) != 0) {
        return phpconf_refuse(reader, "a config.php begins with <?php");
    }
    reader->at += 5;
    if (!phpconf_take(reader, "$config") || !phpconf_take(reader, "=")) {
        return phpconf_refuse(reader, "the only statement is '$CONFIG = array (...);'");
    }
    if (phpconf_take(reader, "[") ? !phpconf_array(reader, "]")
        : phpconf_take(reader, "array") && phpconf_take(reader, "(")
            ? !phpconf_array(reader, ")")
            : !phpconf_refuse(reader, "$CONFIG is an array")) {
        return false;
    }
    if (!phpconf_take(reader, ";")) {
        return phpconf_refuse(reader, "';' is missing behind the array");
    }
    (void)phpconf_take(reader, "?>");
    phpconf_skip(reader);
    return *reader->at == '\0' ||
           phpconf_refuse(reader, "the only statement is '$CONFIG = array (...);'");
}

static char *
phpconf_find(const char *path)
{
    static const char *const places[] = {"config/config.php", "config.php"};
    struct stat info;

    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return mem_strdup(path);
    }
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *file = mem_printf("%s/%s", path, places[i]);

        if (access(file, F_OK) == 0) {
            return file;
        }
        mem_free(file);
    }
    return mem_printf("%s/%s", path, places[0]);
}

/* All of the file as a string. */
static bool
phpconf_load(const char *path, char **ret_text, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = mem_alloc(1, PHPCONF_SIZE_MAX + 1);
    ssize_t length = fd < 0 ? -1 : fdio_read(fd, text, PHPCONF_SIZE_MAX);
    bool done = false;

    if (length < 0) {
        (void)err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
        (void)err_hint(err,
                       "setup --nextcloud PATH takes config.php or Nextcloud's folder; only its "
                       "web server's user and root can read it");
    } else if (length == PHPCONF_SIZE_MAX || strlen(text) != (size_t)length) {
        (void)err_set(err, ERR_CONFIG, "%s: this is no config.php: it %s", path,
                      length == PHPCONF_SIZE_MAX ? "is larger than a megabyte" : "has NUL bytes");
    } else {
        done = true;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (!done) {
        /* What stands behind a NUL byte as well. */
        explicit_bzero(text, PHPCONF_SIZE_MAX);
        mem_free(text);
        return false;
    }
    *ret_text = text;
    return true;
}

bool
phpconf_open(const char *path, struct phpconf *ret_conf, struct err *err)
{
    char *file = phpconf_find(path);
    struct phpconf_reader reader = {.path = file, .line = 1, .conf = ret_conf, .err = err};
    char *text = NULL;
    bool done;

    memset(ret_conf, 0, sizeof *ret_conf);
    done = phpconf_load(file, &text, err);
    if (done) {
        reader.at = text;
        done = phpconf_parse(&reader);
    }
    mem_wipe_free(text);
    ret_conf->path = file;
    if (!done) {
        phpconf_close(ret_conf);
    }
    return done;
}

void
phpconf_close(struct phpconf *conf)
{
    for (size_t i = 0; i < PHPCONF_KEYS; i++) {
        char **target = (char **)(void *)((char *)conf + phpconf_keys[i].offset);

        mem_wipe_free(*target);
        *target = NULL;
    }
    mem_free(conf->path);
    conf->path = NULL;
}

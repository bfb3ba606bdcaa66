#include "conf_scan.h"

#include "fdio.h"
#include "mem.h"
#include "printable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONF_FILE_MAX 1048576

/* inih's own limits as distributions build it (ini.h, ini.c: INI_MAX_LINE 200 with newline and NUL,
 * MAX_SECTION 50 with NUL). */
#define CONF_LINE_MAX 198
#define CONF_SECTION_MAX 49

static bool
conf_read_all(struct conf_scan *scan, int fd, const struct stat *info, struct err *err)
{
    size_t size = (size_t)info->st_size;
    ssize_t length;

    if (S_ISDIR(info->st_mode)) {
        (void)err_set(err, ERR_CONFIG, "%s: is a folder", scan->path);
        return err_hint(err, "run, plan, status and check take a folder of settings, the other "
                             "commands one file: -c FILE");
    }
    if (!S_ISREG(info->st_mode)) {
        return err_set(err, ERR_CONFIG, "%s: not a regular file", scan->path);
    }
    /* Whoever changes a daemon's url has the shared key sent to him. */
    if ((info->st_mode & S_IWOTH) != 0) {
        (void)err_set(err, ERR_CONFIG, "%s: anybody can change it (mode %03o)", scan->path,
                      (unsigned)(info->st_mode & 0777));
        return err_hint(err, "chmod o-w %s", scan->path);
    }
    if (info->st_size > CONF_FILE_MAX) {
        return err_set(err, ERR_CONFIG, "%s: larger than 1 MiB", scan->path);
    }
    scan->text = mem_alloc(size + 1, 1);
    length = fdio_read(fd, scan->text, size);
    if (length < 0) {
        return err_set(err, ERR_CONFIG, "%s: %s", scan->path, strerror(errno));
    }
    if (strlen(scan->text) != (size_t)length) {
        return err_set(err, ERR_CONFIG, "%s: holds a NUL byte", scan->path);
    }
    if (strspn(scan->text, " \t\r\n") == (size_t)length) {
        return err_set(err, ERR_CONFIG, "%s: the file is empty", scan->path);
    }
    return true;
}

static bool
conf_read_file(struct conf_scan *scan, struct err *err)
{
    int fd = open(scan->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    bool done = false;

    if (fd < 0) {
        bool forbidden = errno == EACCES;

        (void)err_set(err, ERR_CONFIG, "%s: %s", scan->path, strerror(errno));
        return err_hint(
            err, forbidden ? "as the user that cron runs it as: sudo -u harpsweep harpsweep check"
                           : "'harpsweep setup' writes one; -c FILE or $HARPSWEEP_CONFIG names "
                             "another");
    }
    if (fstat(fd, &info) != 0) {
        (void)err_set(err, ERR_CONFIG, "%s: %s", scan->path, strerror(errno));
    } else {
        done = conf_read_all(scan, fd, &info, err);
    }
    (void)close(fd);
    return done;
}

static bool
conf_line_error(const struct conf_scan *scan, int line, struct err *err, const char *what)
{
    return err_set(err, ERR_CONFIG, "%s:%d: %s", scan->path, line, what);
}

static bool
conf_scan_characters(const struct conf_scan *scan, const char *text, int line, struct err *err)
{
    uint32_t code;

    for (size_t size; *text != '\0'; text += size) {
        size = printable_decode(text, &code);
        if (size == 0) {
            return conf_line_error(scan, line, err, "not UTF-8");
        }
        if (printable_is_control(code) && code != '\t') {
            return conf_line_error(scan, line, err, "holds a control character");
        }
    }
    return true;
}

/* White space at an end of a section's name, or of the name behind its first colon: a daemon of
 * that name would never be found. */
static bool
conf_has_edge(const char *name)
{
    const char *colon = strchr(name, ':');
    const char *inner = colon == NULL ? name : colon + 1;
    size_t length = strlen(name);

    return strspn(name, " \t") > 0 || strspn(inner, " \t") > 0 ||
           (length > 0 && strchr(" \t", name[length - 1]) != NULL);
}

static bool
conf_scan_section(struct conf_scan *scan, char *text, int line, struct err *err)
{
    char *end = strchr(text, ']');

    if (end == NULL) {
        return conf_line_error(scan, line, err, "a section's name ends with ]");
    }
    if (end[1 + strspn(end + 1, " \t")] != '\0') {
        return conf_line_error(scan, line, err, "something stands behind the section's ]");
    }
    *end = '\0';
    text++;
    if (strlen(text) > CONF_SECTION_MAX) {
        return conf_line_error(scan, line, err, "a section's name has at most 49 bytes");
    }
    if (conf_has_edge(text)) {
        return conf_line_error(scan, line, err,
                               "white space would be a part of the section's name");
    }
    for (size_t i = 0; i < scan->section_count; i++) {
        if (strcmp(scan->sections[i].name, text) == 0) {
            return err_set(err, ERR_CONFIG, "%s:%d: section [%s] stands in line %d already",
                           scan->path, line, text, scan->sections[i].line);
        }
    }
    scan->sections = mem_grow(scan->sections, scan->section_count + 1, sizeof *scan->sections);
    scan->sections[scan->section_count++] =
        (struct conf_section){.name = mem_strdup(text), .line = line};
    return true;
}

static bool
conf_scan_value(struct conf_scan *scan, const char *text, int line, struct err *err)
{
    size_t name = strcspn(text, "=:");

    if (text[name] != '=') {
        return conf_line_error(scan, line, err, "no \"=\": write NAME = VALUE");
    }
    for (const char *at = strchr(text, ';'); at != NULL; at = strchr(at + 1, ';')) {
        if (at > text && (at[-1] == ' ' || at[-1] == '\t')) {
            return conf_line_error(scan, line, err,
                                   "\" ;\" would begin a comment and cut the value; comments have "
                                   "lines of their own");
        }
    }
    if (scan->section_count == 0) {
        return conf_line_error(scan, line, err, "stands before the first [section]");
    }
    scan->key_lines = mem_grow(scan->key_lines, scan->key_count + 1, sizeof *scan->key_lines);
    scan->key_lines[scan->key_count++] = line;
    return true;
}

static bool
conf_scan_line(struct conf_scan *scan, char *text, int line, struct err *err)
{
    size_t indent = strspn(text, " \t");

    if (strlen(text) > CONF_LINE_MAX) {
        (void)conf_line_error(scan, line, err, "longer than 198 bytes");
        return err_hint(err, "a connection string can be service=NAME, with the rest in"
                             " pg_service.conf");
    }
    if (!conf_scan_characters(scan, text, line, err)) {
        return false;
    }
    if (text[indent] == '\0' || text[indent] == ';' || text[indent] == '#') {
        return true;
    }
    if (indent > 0) {
        return conf_line_error(scan, line, err, "begins with white space");
    }
    return text[0] == '[' ? conf_scan_section(scan, text, line, err)
                          : conf_scan_value(scan, text, line, err);
}

bool
conf_scan_file(const char *path, struct conf_scan *ret_scan, struct err *err)
{
    static const char bom[] = "\xef\xbb\xbf";
    const char *text;
    bool good = true;

    memset(ret_scan, 0, sizeof *ret_scan);
    ret_scan->path = path;
    if (!conf_read_file(ret_scan, err)) {
        return false;
    }
    text = ret_scan->text;
    if (strncmp(text, bom, sizeof bom - 1) == 0) {
        text += sizeof bom - 1;
    }
    for (int line = 1; good && *text != '\0'; line++) {
        size_t length = strcspn(text, "\n");
        bool crlf = length > 0 && text[length - 1] == '\r';
        char *copy = mem_strndup(text, length - (crlf ? 1 : 0));

        good = conf_scan_line(ret_scan, copy, line, err);
        mem_wipe_free(copy);
        text += length + (text[length] == '\n' ? 1 : 0);
    }
    return good;
}

void
conf_scan_free(struct conf_scan *scan)
{
    for (size_t i = 0; i < scan->section_count; i++) {
        mem_free(scan->sections[i].name);
    }
    mem_free(scan->sections);
    mem_free(scan->key_lines);
    mem_wipe_free(scan->text);
}

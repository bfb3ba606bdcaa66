#define _DEFAULT_SOURCE /* explicit_bzero */
#include "keyfile.h"

#include "fdio.h"

#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longer keys do not fit into a header of HaRP's. */
#define KEYFILE_MAX 4096

static bool
keyfile_check(const char *path, const struct stat *info, struct err *err)
{
    if (!S_ISREG(info->st_mode)) {
        return err_set(err, ERR_CONFIG, "%s: not a regular file", path);
    }
    if (info->st_uid != geteuid() && info->st_uid != 0) {
        (void)err_set(err, ERR_CONFIG, "%s: belongs to somebody else (user ID %ld)", path,
                      (long)info->st_uid);
        /* Root is who looks, not who runs: taken from its owner, the file would end cron's runs. */
        return geteuid() == 0
                   ? err_hint(err, "as the file's owner: sudo -u '#%ld' harpsweep check",
                              (long)info->st_uid)
                   : err_hint(err, "chown %ld %s, or start harpsweep as the file's owner",
                              (long)geteuid(), path);
    }
    if ((info->st_mode & 077) != 0) {
        (void)err_set(err, ERR_CONFIG, "%s: others can read or change it (mode %03o)", path,
                      (unsigned)(info->st_mode & 0777));
        return err_hint(err, "chmod 600 %s", path);
    }
    return true;
}

static bool
keyfile_check_key(const char *path, const char *key, size_t length, struct err *err)
{
    if (length == 0) {
        (void)err_set(err, ERR_CONFIG, "%s: the key is empty", path);
        return err_hint(
            err, "HaRP's HP_SHARED_KEY belongs in it, as 'docker inspect appapi-harp' shows");
    }
    for (size_t i = 0; i < length; i++) {
        if (key[i] == '\n' || key[i] == '\r') {
            (void)err_set(err, ERR_CONFIG, "%s: the key has more than one line", path);
            return err_hint(err, "only the value of HaRP's HP_SHARED_KEY belongs in it");
        }
        if (key[i] < ' ' || key[i] > '~') {
            return err_set(err, ERR_CONFIG, "%s: the key holds a byte that is not printable ASCII",
                           path);
        }
        if (key[i] == '"' || key[i] == '\\') {
            (void)err_set(err, ERR_CONFIG, "%s: the key holds a %s", path,
                          key[i] == '"' ? "double quote" : "backslash");
            return err_hint(err, "HaRP takes neither; choose another HP_SHARED_KEY");
        }
    }
    return true;
}

static bool
keyfile_parse(const char *path, const char *data, size_t length, char **ret_key, struct err *err)
{
    static const char space[] = " \t\r\n";

    while (length > 0 && strchr(space, data[length - 1]) != NULL && data[length - 1] != '\0') {
        length--;
    }
    while (length > 0 && data[0] != '\0' && strchr(space, data[0]) != NULL) {
        data++;
        length--;
    }
    /* HaRP takes off one pair as well. */
    if (length >= 2 && data[0] == '"' && data[length - 1] == '"') {
        data++;
        length -= 2;
    }
    if (!keyfile_check_key(path, data, length, err)) {
        return false;
    }
    *ret_key = mem_strndup(data, length);
    return true;
}

bool
keyfile_read(const char *path, char **ret_key, struct err *err)
{
    char data[KEYFILE_MAX + 1];
    /* Not blocking: it may be a pipe that nobody writes to. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    ssize_t length;
    bool done = false;

    if (fd < 0 || fstat(fd, &info) != 0) {
        bool forbidden = errno == EACCES;

        (void)err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
        (void)err_hint(err, forbidden
                                ? "as the user that cron runs it as: sudo -u harpsweep "
                                  "harpsweep check"
                                : "HaRP's HP_SHARED_KEY belongs in it; nobody else may read it "
                                  "(mode 600)");
    } else if (keyfile_check(path, &info, err)) {
        length = fdio_read(fd, data, sizeof data);
        if (length < 0) {
            (void)err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
        } else if (length > KEYFILE_MAX) {
            (void)err_set(err, ERR_CONFIG, "%s: longer than %d bytes", path, KEYFILE_MAX);
        } else {
            done = keyfile_parse(path, data, (size_t)length, ret_key, err);
        }
        explicit_bzero(data, sizeof data);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return done;
}

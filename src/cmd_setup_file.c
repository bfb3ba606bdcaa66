#define _DEFAULT_SOURCE /* fchown */

#include "cmd_setup.h"

#include "buf.h"
#include "fdio.h"
#include "mem.h"
#include "share.h"

/* Larger than the sample is. */
#define SETUP_SAMPLE_MAX 65536

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The group that may read what root writes; (gid_t)-1: nobody but the file's owner. */
static gid_t
setup_group(void)
{
    /* No other thread runs. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    const struct group *group = geteuid() == 0 ? getgrnam(SETUP_ACCOUNT) : NULL;

    return group == NULL ? (gid_t)-1 : group->gr_gid;
}

const char *
setup_mode_words(void)
{
    return setup_group() != (gid_t)-1 ? "mode 640, group " SETUP_ACCOUNT
                                      : "mode 600, for this user alone";
}

char *
setup_settings_text(const struct setup *setup, bool shown)
{
    struct buf text;
    char *copy;

    buf_init(&text, SIZE_MAX / 4);
    (void)buf_add_text(&text,
                       "; Written by 'harpsweep setup'. 'harpsweep help settings' tells every "
                       "option.\n\n[database]\n");
    if (shown && setup->password != NULL) {
        (void)buf_printf(&text, "conninfo = %s user=%s password=***\n", setup->place, setup->user);
    } else if (shown && strstr(setup->conninfo, "password") != NULL) {
        (void)buf_add_text(&text, "conninfo = (as given, with its password)\n");
    } else {
        (void)buf_printf(&text, "conninfo = %s\n", setup->conninfo);
    }
    if (strcmp(setup->prefix, "oc_") != 0) {
        (void)buf_printf(&text, "table_prefix = %s\n", setup->prefix);
    }
    if (strcmp(setup->schema, "public") != 0) {
        (void)buf_printf(&text, "nextcloud_schema = %s\n", setup->schema);
    }
    (void)buf_printf(&text, "\n[harp]\nshared_key_file = %s\n", setup->key_file);
    copy = mem_strdup(buf_text(&text));
    buf_wipe_free(&text);
    return copy;
}

bool
setup_make_folder(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash == NULL || slash == path ? NULL : mem_strndup(path, (size_t)(slash - path));
    bool done = folder == NULL || access(folder, F_OK) == 0;

    if (!done) {
        done = mkdir(folder, 0750) == 0 && chown(folder, (uid_t)-1, setup_group()) == 0;
        if (!done) {
            (void)err_set(err, ERR_CONFIG, "the folder %s could not be made: %s", folder,
                          strerror(errno));
            (void)err_hint(err, "run setup as root, or name another file with -c FILE");
        }
    }
    mem_free(folder);
    return done;
}

/* All of it to a file of mode and group. False with errno set. */
static bool
setup_fill(int fd, const char *text)
{
    gid_t group = setup_group();
    bool done = group == (gid_t)-1 ? fchmod(fd, 0600) == 0
                                   : fchown(fd, (uid_t)-1, group) == 0 && fchmod(fd, 0640) == 0;

    done = done && fdio_write(fd, text, strlen(text)) && fsync(fd) == 0;
    return close(fd) == 0 && done;
}

/* A file behind its first line, which packages word otherwise. mem_free() it; NULL where it can't
 * be read. */
static char *
setup_read_rest(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = mem_alloc(SETUP_SAMPLE_MAX + 1, 1);
    ssize_t length = fd < 0 ? -1 : fdio_read(fd, text, SETUP_SAMPLE_MAX);
    const char *end = length < 0 ? NULL : strchr(text, '\n');
    char *rest = end == NULL ? NULL : mem_strdup(end);

    if (fd >= 0) {
        (void)close(fd);
    }
    mem_wipe_free(text);
    return rest;
}

bool
setup_is_sample(const char *path)
{
    char *sample_path = share_path("harpsweep.ini");
    char *sample = setup_read_rest(sample_path);
    char *settings = setup_read_rest(path);
    bool same = sample != NULL && settings != NULL && strcmp(sample, settings) == 0;

    mem_free(sample_path);
    mem_free(sample);
    mem_wipe_free(settings); /* a password may stand in it */
    return same;
}

bool
setup_write(const struct setup *setup, struct err *err)
{
    const char *path = setup->cli->config_path;
    char *text = setup_settings_text(setup, false);
    char *temporary = mem_printf("%s.XXXXXX", path);
    int fd = mkstemp(temporary);
    bool done;

    /* A link does not replace a file that is there, whoever made it in between. */
    done = fd >= 0 && setup_fill(fd, text) &&
           (setup->replaces ? rename(temporary, path) == 0 : link(temporary, path) == 0);
    if (!done) {
        (void)err_set(err, ERR_CONFIG, "%s could not be written: %s", path, strerror(errno));
    }
    if (fd >= 0 && (!done || !setup->replaces)) {
        (void)unlink(temporary);
    }
    mem_wipe_free(text);
    mem_free(temporary);
    return done;
}

/*
 * Nextcloud's own settings of the image cleanup, as AppAPI reads them: image_cleanup_enabled and
 * image_cleanup_grace_hours in its appconfig. Pure: values in, decision out.
 */
#ifndef HARPSWEEP_NEXTCLOUD_H
#define HARPSWEEP_NEXTCLOUD_H

#include <stdbool.h>
#include <stdint.h>

struct nextcloud_cleanup {
    bool enabled;
    int64_t grace_hours;
    char problem[256]; /* why it counts as disabled although nobody said so; "" where nothing is
                          wrong */
};

/* What holds where nothing is set: enabled, 24 hours. */
struct nextcloud_cleanup nextcloud_cleanup_default(void);

/* Takes one row of oc_appconfig; type is Nextcloud's number for the value's type. What AppAPI could
 * not read, or would read as something that nobody meant, disables the cleanup. */
void nextcloud_cleanup_take(struct nextcloud_cleanup *cleanup, const char *name, const char *value,
                            int64_t type);

#endif

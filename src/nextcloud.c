#include "nextcloud.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* OCP\IAppConfig: the types of values. The bit for sensitive ones means that the value is
 * encrypted. */
#define NEXTCLOUD_TYPE_MIXED 2
#define NEXTCLOUD_TYPE_INT 8
#define NEXTCLOUD_TYPE_BOOL 32

#define NEXTCLOUD_GRACE_DEFAULT 24
#define NEXTCLOUD_GRACE_MAX 720

struct nextcloud_cleanup
nextcloud_cleanup_default(void)
{
    return (struct nextcloud_cleanup){.enabled = true, .grace_hours = NEXTCLOUD_GRACE_DEFAULT};
}

static void
nextcloud_refuse(struct nextcloud_cleanup *cleanup, const char *name, const char *value,
                 const char *what)
{
    cleanup->enabled = false;
    (void)snprintf(cleanup->problem, sizeof cleanup->problem,
                   "Nextcloud's app_api %s = \"%.40s\" is %s: cleanup counts as disabled", name,
                   value, what);
}

static bool
nextcloud_is_one_of(const char *value, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(value, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void
nextcloud_take_enabled(struct nextcloud_cleanup *cleanup, const char *name, const char *value)
{
    static const char *const yes[] = {"1", "true", "yes", "on"};
    static const char *const no[] = {"0", "false", "no", "off", ""};

    if (nextcloud_is_one_of(value, no, sizeof no / sizeof *no)) {
        cleanup->enabled = false;
    } else if (!nextcloud_is_one_of(value, yes, sizeof yes / sizeof *yes)) {
        nextcloud_refuse(cleanup, name, value, "neither yes nor no");
    }
}

static void
nextcloud_take_grace(struct nextcloud_cleanup *cleanup, const char *name, const char *value)
{
    char *end;
    long hours;

    if (value[0] == '\0' || strlen(value) > 9 || value[strspn(value, "-0123456789")] != '\0') {
        nextcloud_refuse(cleanup, name, value, "not a whole number of hours");
        return;
    }
    hours = strtol(value, &end, 10);
    if (*end != '\0') {
        nextcloud_refuse(cleanup, name, value, "not a whole number of hours");
        return;
    }
    cleanup->grace_hours = hours < 0                     ? 0
                           : hours > NEXTCLOUD_GRACE_MAX ? NEXTCLOUD_GRACE_MAX
                                                         : hours;
}

void
nextcloud_cleanup_take(struct nextcloud_cleanup *cleanup, const char *name, const char *value,
                       int64_t type)
{
    bool is_enabled = strcmp(name, "image_cleanup_enabled") == 0;
    int64_t wanted = is_enabled ? NEXTCLOUD_TYPE_BOOL : NEXTCLOUD_TYPE_INT;
    char what[64];

    if (type != wanted && type != NEXTCLOUD_TYPE_MIXED) {
        (void)snprintf(what, sizeof what, "of type %" PRId64 ", which AppAPI does not read", type);
        nextcloud_refuse(cleanup, name, "", what);
    } else if (is_enabled) {
        nextcloud_take_enabled(cleanup, name, value);
    } else {
        nextcloud_take_grace(cleanup, name, value);
    }
}

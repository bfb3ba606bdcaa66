#include "share.h"

#include "mem.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define SHARE_PATH_MAX 4096

/* Where the running program is, without its name and its folder: "/usr/local". Found at run time,
 * so that an installation may be moved. */
static bool
share_prefix(char path[SHARE_PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", path, SHARE_PATH_MAX - 1);

    if (length <= 0 || length >= SHARE_PATH_MAX - 1) {
        return false;
    }
    path[length] = '\0';
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(path, '/');

        if (slash != NULL) { /* there is one more but for a program in the root folder itself */
            *slash = '\0';
        }
    }
    return true;
}

char *
share_path(const char *file)
{
    static const char *const folders[] = {"share/harpsweep/", "", "etc/"};
    char prefix[SHARE_PATH_MAX];

    for (size_t i = 0; i < sizeof folders / sizeof *folders && share_prefix(prefix); i++) {
        char *path = mem_printf("%s/%s%s", prefix, folders[i], file);

        if (access(path, R_OK) == 0) {
            return path;
        }
        mem_free(path);
    }
    return mem_strdup(file);
}

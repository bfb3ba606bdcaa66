/* Files beside config.php that Nextcloud reads after it, each of which may say otherwise. */
#include "mem.h"
#include "phpconf.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

/* Whether a line of the file sets one of the database's settings. */
static bool
phpconf_mentions_database(const char *path)
{
    static const char *const keys[] = {"dbtype", "dbhost", "dbname", "dbuser", "dbtableprefix"};
    FILE *file = fopen(path, "re");
    char line[4096];
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            const char *at = strstr(line, keys[i]);

            found = found || (at != NULL && at > line && strchr("'\"", at[-1]) != NULL);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

char *
phpconf_other(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *pattern = slash == NULL ? mem_strdup("*.config.php")
                                  : mem_printf("%.*s/*.config.php", (int)(slash - path), path);
    char *other = NULL;
    glob_t files;

    if (glob(pattern, 0, NULL, &files) == 0) {
        for (size_t i = 0; i < files.gl_pathc && other == NULL; i++) {
            if (phpconf_mentions_database(files.gl_pathv[i])) {
                other = mem_strdup(files.gl_pathv[i]);
            }
        }
        globfree(&files);
    }
    mem_free(pattern);
    return other;
}

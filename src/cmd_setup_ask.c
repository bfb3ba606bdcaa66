#include "cmd_setup.h"

#include "mem.h"

#include <stdio.h>
#include <string.h>

bool
setup_ask(const char *question, const char *standard, char **ret_answer, struct err *err)
{
    char line[1024];
    size_t length;

    (void)printf("%s [%s]: ", question, standard);
    (void)fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL) {
        (void)printf("\n");
        return err_set(err, ERR_USAGE, "setup was ended: no answer to '%s'", question);
    }
    length = strcspn(line, "\r\n");
    *ret_answer = length == 0 ? mem_strdup(standard) : mem_strndup(line, length);
    return true;
}

bool
setup_confirm(const char *question)
{
    char line[64];

    (void)printf("%s [y/N]: ", question);
    (void)fflush(stdout);
    return fgets(line, sizeof line, stdin) != NULL &&
           (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0);
}

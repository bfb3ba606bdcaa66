/* What is left to be done behind setup. */
#include "cmd_setup.h"
#include "keyfile.h"
#include "mem.h"
#include "share.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool
setup_has_account(void)
{
    /* No other thread runs. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    return getpwnam(SETUP_ACCOUNT) != NULL;
}

static void
setup_print_account(const char *sudo, const char *config)
{
    (void)printf(
        "    %suseradd --system --home-dir /nonexistent --shell /usr/sbin/nologin " SETUP_ACCOUNT
        "\n",
        sudo);
    (void)printf("    %schgrp " SETUP_ACCOUNT " %s\n    %schmod 640 %s\n", sudo, config, sudo,
                 config);
}

static void
setup_print_key(const char *sudo, const char *key)
{
    (void)printf("    %sinstall -m 600 -o " SETUP_ACCOUNT " -g " SETUP_ACCOUNT " /dev/null %s\n",
                 sudo, key);
    (void)printf("    " KEYFILE_FROM_HARP " | %stee %s >/dev/null\n", sudo, key);
}

/* What starts runs: the timer, where systemd knows it; else cron. */
static void
setup_print_start(const char *sudo)
{
    char *cron = share_path("harpsweep.cron");
    char *unit =
        share_path("../../lib/systemd/system/harpsweep.timer"); /* beside share/harpsweep */
    bool timer = access("/run/systemd/system", F_OK) == 0 &&
                 (unit[0] == '/' || access("/etc/systemd/system/harpsweep.timer", F_OK) == 0);

    if (timer) {
        (void)printf("    %ssystemctl enable --now harpsweep.timer\n", sudo);
    } else if (access("/etc/cron.d/harpsweep", F_OK) == 0) {
        (void)printf("    %seditor /etc/cron.d/harpsweep    # take the # off its last line\n",
                     sudo);
    } else if (cron[0] == '/') { /* else it is not installed */
        char *word = psql_shell_word(cron);

        (void)printf("    %sinstall -m 644 %s /etc/cron.d/harpsweep\n", sudo, word);
        mem_free(word);
    }
    mem_free(unit);
    mem_free(cron);
}

void
setup_print_next(const struct setup *setup)
{
    const char *sudo = geteuid() == 0 ? "" : "sudo ";
    const char *as_account =
        geteuid() == 0 ? "runuser -u " SETUP_ACCOUNT " -- " : "sudo -u " SETUP_ACCOUNT " ";
    char *key = psql_shell_word(setup->key_file);
    char *config = psql_shell_word(setup->cli->config_path);

    (void)printf("Written: %s\n\nNext:\n\n", setup->cli->config_path);
    if (!setup_has_account()) {
        setup_print_account(sudo, config);
    }
    if (access(setup->key_file, F_OK) != 0) {
        setup_print_key(sudo, key);
    }
    (void)printf("    %sharpsweep -c %s check --fix-hints\n", as_account, config);
    setup_print_start(sudo);
    mem_free(key);
    mem_free(config);
}

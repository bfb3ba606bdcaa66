#define _GNU_SOURCE /* environ, pipe2 */

#include "cmd_psql.h"

#include "buf.h"
#include "db.h"
#include "fdio.h"
#include "mem.h"
#include "share.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool
psql_is_local(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1"};

    if (host == NULL || host[0] == '\0' || host[0] == '/') {
        return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], host) == 0) {
            return true;
        }
    }
    return false;
}

void
psql_add(struct psql *psql, const char *word)
{
    if (psql->count < CMD_PSQL_WORDS) {
        psql->words[psql->count++] = mem_strdup(word);
    }
}

/* A root may have no sudo, and needs none. */
static void
psql_add_postgres(struct psql *psql)
{
    bool root = geteuid() == 0;

    psql_add(psql, root ? "runuser" : "sudo");
    psql_add(psql, "-u");
    psql_add(psql, "postgres");
    if (root) {
        psql_add(psql, "--");
    }
    psql_add(psql, "psql");
}

static void
psql_add_option(struct psql *psql, const char *option, const char *value)
{
    if (value != NULL && *value != '\0') {
        psql_add(psql, option);
        psql_add(psql, value);
    }
}

void
psql_open(struct psql *psql, const char *conninfo)
{
    char *host = db_conninfo_part(conninfo, "host");
    char *port = db_conninfo_part(conninfo, "port");
    char *database = db_conninfo_part(conninfo, "dbname");
    bool local = psql_is_local(host);

    memset(psql, 0, sizeof *psql);
    if (local) {
        psql_add_postgres(psql);
        psql_add_option(psql, "-h", host != NULL && host[0] == '/' ? host : NULL);
    } else {
        psql_add(psql, "psql");
        psql_add_option(psql, "-h", host);
        psql_add_option(psql, "-U", "postgres");
    }
    psql_add_option(psql, "-p", port != NULL && strcmp(port, "5432") != 0 ? port : NULL);
    psql_add_option(psql, "-d", database);
    mem_free(host);
    mem_free(port);
    mem_free(database);
}

void
psql_open_as(struct psql *psql, const char *conninfo)
{
    memset(psql, 0, sizeof *psql);
    psql_add(psql, "psql");
    psql_add(psql, "-d");
    psql_add(psql, conninfo);
}

void
psql_add_file(struct psql *psql, const char *name)
{
    char *file = mem_printf("sql/%s", name);
    char *path = share_path(file);

    psql_add(psql, "-f");
    psql_add(psql, path);
    mem_free(file);
    mem_free(path);
}

void
psql_close(struct psql *psql)
{
    for (size_t i = 0; i < psql->count; i++) {
        mem_free(psql->words[i]);
    }
    memset(psql, 0, sizeof *psql);
}

char *
psql_shell_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./:=@%+,";
    struct buf quoted;
    char *text;

    if (*word != '\0' && strspn(word, plain) == strlen(word)) {
        return mem_strdup(word);
    }
    buf_init(&quoted, SIZE_MAX / 4);
    (void)buf_add_text(&quoted, "'");
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            (void)buf_add_text(&quoted, "'\\''");
        } else {
            (void)buf_add(&quoted, word, 1);
        }
    }
    (void)buf_add_text(&quoted, "'");
    text = mem_strdup(buf_text(&quoted));
    buf_free(&quoted);
    return text;
}

char *
psql_text(const struct psql *psql)
{
    struct buf line;
    char *text;

    buf_init(&line, SIZE_MAX / 4);
    for (size_t i = 0; i < psql->count; i++) {
        char *word = psql_shell_word(psql->words[i]);

        (void)buf_printf(&line, "%s%s", i == 0 ? "" : " ", word);
        mem_free(word);
    }
    text = mem_strdup(buf_text(&line));
    buf_free(&line);
    return text;
}

static bool
psql_not_started(const char *name, int code, struct err *err)
{
    (void)err_set(err, ERR_CONFIG, "%s could not be started: %s", name, strerror(code));
    return err_hint(err, "apt-get install postgresql-client");
}

/* With the pipe as its standard input. */
static bool
psql_start(const struct psql *psql, int input, pid_t *ret_child, struct err *err)
{
    posix_spawn_file_actions_t actions;
    int code = posix_spawn_file_actions_init(&actions);

    if (code == 0) {
        code = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
        code = code != 0
                   ? code
                   : posix_spawnp(ret_child, psql->words[0], &actions, NULL, psql->words, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    return code == 0 || psql_not_started(psql->words[0], code, err);
}

static bool
psql_wait(pid_t child, struct err *err)
{
    int status = -1; /* of no process that ended well */

    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return true;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) { /* as sudo and runuser say it */
        return psql_not_started("psql", ENOENT, err);
    }
    return err_set(err, ERR_SCHEMA, "psql could not do all of it, see its message above");
}

bool
psql_run(const struct psql *psql, const char *input, struct err *err)
{
    int ends[2];
    pid_t child = -1;
    bool started;
    bool fed;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        return err_set(err, ERR_INTERNAL, "no pipe to psql: %s", strerror(errno));
    }
    (void)signal(SIGCHLD, SIG_DFL); /* whoever started us may ignore it: then nothing is told */
    started = psql_start(psql, ends[0], &child, err);
    (void)close(ends[0]);
    /* Where it ended early, its exit code tells more than the broken pipe. */
    (void)signal(SIGPIPE, SIG_IGN);
    fed = started && fdio_write(ends[1], input, strlen(input));
    (void)close(ends[1]);
    return started && psql_wait(child, err) &&
           (fed || err_set(err, ERR_SCHEMA, "psql did not read all of the statements"));
}

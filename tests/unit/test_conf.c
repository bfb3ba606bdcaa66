/* The settings file: what is taken, and what every mistake is told. */
#include "conf.h"
#include "conf_table.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256];
static char file_path[300];
static char key_path[300];

static void
write_bytes(const char *path, const void *data, size_t length, mode_t mode)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void
write_text(const char *path, const char *text, mode_t mode)
{
    write_bytes(path, text, strlen(text), mode);
}

static int
set_up(void **state)
{
    const char *top = getenv("TMPDIR");

    (void)state;
    (void)snprintf(folder, sizeof folder, "%s/harpsweep-conf-XXXXXX", top == NULL ? "/tmp" : top);
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(file_path, sizeof file_path, "%s/t.ini", folder);
    (void)snprintf(key_path, sizeof key_path, "%s/key", folder);
    write_text(key_path, "secret\n", 0600);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    (void)unlink(file_path);
    (void)unlink(key_path);
    return rmdir(folder);
}

/* A file with what every file needs, and more; FOLDER in it stands for the test's folder. */
static char *
complete(const char *more)
{
    return mem_printf("[database]\nconninfo = dbname=x\n[harp]\nshared_key_file = %s\n"
                      "[daemon:d]\nurl = http://localhost:8780/\n%s",
                      key_path, more);
}

/* The error of a file, without its path, or "" where it is taken. Valid until the next call. */
static const char *
error_of(const char *text)
{
    static struct err err;
    struct conf *conf = NULL;
    size_t path = strlen(file_path);

    write_text(file_path, text, 0600);
    memset(&err, 0, sizeof err);
    if (conf_load(file_path, &conf, &err)) {
        conf_free(conf);
        return "";
    }
    assert_null(conf);
    assert_int_equal(err.kind, ERR_CONFIG);
    return strncmp(err.text, file_path, path) == 0 ? err.text + path : err.text;
}

static void
assert_error(const char *more, const char *message)
{
    char *text = complete(more);

    assert_string_equal(error_of(text), message);
    mem_free(text);
}

/* What somebody has to do, where it is told. */
static const char *
hint_of(const char *path)
{
    static struct err err;
    struct conf *conf = NULL;

    memset(&err, 0, sizeof err);
    assert_false(conf_load(path, &conf, &err));
    return err.hint;
}

static void
assert_hint(const char *more, const char *hint)
{
    char *text = complete(more);

    write_text(file_path, text, 0600);
    mem_free(text);
    assert_string_equal(hint_of(file_path), hint);
}

static struct conf *
load(const char *more)
{
    struct conf *conf = NULL;
    struct err err = {.kind = ERR_NONE};
    char *text = complete(more);

    write_text(file_path, text, 0600);
    mem_free(text);
    if (!conf_load(file_path, &conf, &err)) {
        fail_msg("%s", err.text);
    }
    return conf;
}

static void
test_defaults(void **state)
{
    struct conf *conf = load("");
    const struct conf_daemon *daemon = conf_find_daemon(conf, "d");

    (void)state;
    assert_true(conf->enabled);
    assert_int_equal(conf->grace_hours, 24);
    assert_true(conf->verify);
    assert_true(conf->protect_unpullable);
    assert_int_equal(conf->max_parallel, 32);
    assert_int_equal(conf->soft_limit_ms, 600000);
    assert_int_equal(conf->hard_limit_ms, 900000);
    assert_int_equal(conf->lease_ms, 120000);
    assert_int_equal(conf->timeout_ms, 90000);
    assert_int_equal(conf->history_days, 90);
    assert_non_null(daemon);
    assert_string_equal(daemon->url, "http://localhost:8780");
    assert_string_equal(daemon->key, "secret");
    assert_int_equal(daemon->engine_port, 0); /* as Nextcloud says */
    assert_int_equal(daemon->max_parallel, 4);
    assert_null(daemon->ca_file);
    assert_null(conf_find_daemon(conf, "e"));
    conf_free(conf);
}

static void
test_values(void **state)
{
    struct conf *conf =
        load("name = other\ndocker_engine_port = 24001\nmax_parallel = 9\n[run]\nsoft_limit = 2h\n"
             "hard_limit = 1d\nlease = 150s\n[cleanup]\nenabled = no\nkeep = a/*\nkeep = b:?\n");

    (void)state;
    assert_non_null(conf_find_daemon(conf, "other"));
    assert_null(conf_find_daemon(conf, "d"));
    assert_int_equal(conf->daemons[0].engine_port, 24001);
    assert_int_equal(conf->daemons[0].max_parallel, 9);
    assert_int_equal(conf->soft_limit_ms, 7200000);
    assert_int_equal(conf->hard_limit_ms, 86400000);
    assert_int_equal(conf->lease_ms, 150000);
    assert_false(conf->enabled);
    assert_string_equal(conf_keep_match(conf, "a/x:1"), "a/*");
    assert_string_equal(conf_keep_match(conf, "b:2"), "b:?");
    assert_null(conf_keep_match(conf, "b:22"));
    conf_free(conf);
}

/* clang-format off */
static const struct {
    const char *more;
    const char *message;
} mistakes[] = {
    {"[sweep]\nx = 1\n", ":7: unknown section [sweep]"},
    {"[daemon:]\nurl = http://x\n", ":7: unknown section [daemon:]"},
    {"[daemon]\nurl = http://x\n", ":7: unknown section [daemon]"},
    {"grace_hours = 1\n", ":7: [daemon:d] grace_hours: unknown option"},
    {"[cleanup]\ngrace = 1\n", ":8: [cleanup] grace: unknown option"},
    {"[cleanup]\ngrace_hours = 1\ngrace_hours = 1\n", ":9: [cleanup] grace_hours: given twice"},
    {"[daemon:d]\nurl = http://x\n", ":7: section [daemon:d] stands in line 5 already"},
    {"[database]\n", ":7: section [database] stands in line 1 already"},
    {"[cleanup]\ngrace_hours = ten\n",
     ":8: [cleanup] grace_hours: \"ten\" is not a whole number from 0 to 720"},
    {"[cleanup]\ngrace_hours = 24h\n",
     ":8: [cleanup] grace_hours: \"24h\" is not a whole number from 0 to 720"},
    {"[cleanup]\ngrace_hours = -1\n",
     ":8: [cleanup] grace_hours: \"-1\" is not a whole number from 0 to 720"},
    {"[cleanup]\ngrace_hours = 721\n", ":8: [cleanup] grace_hours: 721 is out of range: 0 to 720"},
    {"[cleanup]\ngrace_hours = 99999999999999999999\n",
     ":8: [cleanup] grace_hours: \"99999999999999999999\" is not a whole number from 0 to 720"},
    {"[cleanup]\ngrace_hours =\n", ":8: [cleanup] grace_hours: no value"},
    {"[cleanup]\nin_use_max_rechecks = 0\n",
     ":8: [cleanup] in_use_max_rechecks: 0 is out of range: 1 to 1000"},
    {"[cleanup]\ngrace = 1\nafter = 1\n", ":8: [cleanup] grace: unknown option"},
    {"[cleanup]\ngrace_hours\n", ":8: no \"=\": write NAME = VALUE"},
    {"[cleanup]\ngrace_hours: 5\n", ":8: no \"=\": write NAME = VALUE"},
    {"[cleanup]\nenabled = maybe\n", ":8: [cleanup] enabled: \"maybe\" is neither yes nor no"},
    {"[run]\nsoft_limit = 10\n",
     ":8: [run] soft_limit: \"10\" is not a duration: a whole number and s, m, h or d, such as 90s"},
    {"[run]\nsoft_limit = 10ms\n",
     ":8: [run] soft_limit: \"10ms\" is not a duration: a whole number and s, m, h or d, such as 90s"},
    {"[run]\nsoft_limit = s\n",
     ":8: [run] soft_limit: \"s\" is not a duration: a whole number and s, m, h or d, such as 90s"},
    {"[run]\nsoft_limit = 0s\n", ":8: [run] soft_limit: 0s is out of range: 1s to 1d"},
    {"[run]\nsoft_limit = 9223372036854775807d\n",
     ":8: [run] soft_limit: 9223372036854775807d is out of range: 1s to 1d"},
    {"[cleanup]\nkeep = a ; b\n",
     ":8: \" ;\" would begin a comment and cut the value; comments have lines of their own"},
    {"[cleanup]\nkeep = a\t; b\n",
     ":8: \" ;\" would begin a comment and cut the value; comments have lines of their own"},
    {"[cleanup]\nkeep = a;b\n", ""},
    {"# one\n  # another\n; a third\n", ""},
    {"[cleanup]\n keep = a\n", ":8: begins with white space"},
    {"[cleanup\nkeep = a\n", ":7: a section's name ends with ]"},
    {"[cleanup] x\nkeep = a\n", ":7: something stands behind the section's ]"},
    {"[daemon: e]\n", ":7: white space would be a part of the section's name"},
    {"[daemon:e\t]\n", ":7: white space would be a part of the section's name"},
    {"[ daemon:e]\n", ":7: white space would be a part of the section's name"},
    {"[]\n", ":7: unknown section []"},
    {"[ cleanup]\n", ":7: white space would be a part of the section's name"},
    {"[cleanup]\nkeep = a\001b\n", ":8: holds a control character"},
    {"[cleanup]\nkeep = a\xff\n", ":8: not UTF-8"},
    {"[cleanup]\nkeep_previous = 101\n",
     ":8: [cleanup] keep_previous: 101 is out of range: 0 to 100"},
    {"[daemon:e]\nurl = ftp://x\n",
     ":8: [daemon:e] url: \"ftp://x\" is not http://HOST[:PORT] or https://HOST[:PORT]"},
    {"[daemon:e]\nurl = http://\n",
     ":8: [daemon:e] url: \"http://\" is not http://HOST[:PORT] or https://HOST[:PORT]"},
    {"[daemon:e]\nurl = ftp://example.org\n",
     ":8: [daemon:e] url: \"ftp://example.org\" is not http://HOST[:PORT] or https://HOST[:PORT]"},
    {"[daemon:e]\nurl = http:///x\n",
     ":8: [daemon:e] url: \"http:///x\" is not http://HOST[:PORT] or https://HOST[:PORT]"},
    {"[daemon:e]\nurl = https://:443\n",
     ":8: [daemon:e] url: \"https://:443\" is not http://HOST[:PORT] or https://HOST[:PORT]"},
    {"[daemon:e]\nurl = http://x y\n",
     ":8: [daemon:e] url: a URL here has no user, no query and no fragment, and no white space"},
    {"[daemon:e]\nurl = http://u:p@x\n",
     ":8: [daemon:e] url: a URL here has no user, no query and no fragment, and no white space"},
    {"[daemon:e]\nurl = http://x?y\n",
     ":8: [daemon:e] url: a URL here has no user, no query and no fragment, and no white space"},
    {"[daemon:e]\nurl = http://x\nname = d\n",
     ":7: [daemon:e] name: \"d\" is the daemon of line 5 already"},
    {"[daemon:e]\nurl = http://x\ndocker_engine_port = 65536\n",
     ":9: [daemon:e] docker_engine_port: 65536 is out of range: 1 to 65535"},
    {"[daemon:e]\nurl = http://x\nca_file = /nowhere/ca.pem\n",
     ":7: [daemon:e] ca_file: /nowhere/ca.pem: No such file or directory"},
    {"[daemon:e]\nurl = http://x\nshared_key_file = /nowhere/key\n",
     ":7: [daemon:e] shared_key_file: /nowhere/key: No such file or directory"},
    {"[daemon:e]\nurl = http://x\nshared_key_file = /tmp\n",
     ":7: [daemon:e] shared_key_file: /tmp: not a regular file"},
    {"[run]\nlease = 119s\n",
     ": [run] lease is shorter than [harp] timeout and 30s: a request could outlast its claim"},
    {"[run]\nsoft_limit = 10m\nhard_limit = 689s\n",
     ": [run] hard_limit is shorter than soft_limit and [harp] timeout: requests under way could not "
     "end"},
};
/* clang-format on */

static void
test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        assert_error(mistakes[i].more, mistakes[i].message);
    }
}

static void
test_hints(void **state)
{
    (void)state;
    assert_hint("grace_hours = 1\n", "it belongs in [cleanup]");
    assert_hint("[run]\nurl = http://x\n", "it belongs in [daemon:NAME]");
    assert_hint("[run]\nport = 1\n", "'harpsweep help settings' lists all options");
    assert_string_equal(hint_of("/nowhere/harpsweep.ini"),
                        "'harpsweep setup' writes one; -c FILE or $HARPSWEEP_CONFIG names another");
}

/* As --help tells them. */
static void
test_what_is_allowed(void **state)
{
    static const struct {
        const char *name;
        const char *allowed;
    } cases[] = {
        {"conninfo", ""},
        {"enabled", "yes or no"},
        {"keep", ""},
        {"grace_hours", "0 to 720"},
        {"soft_limit", "1s to 1d"},
        {"hard_limit", "2s to 25h"},
        {"lease", "35s to 1h"},
        {"url", "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]"},
        {"docker_engine_port", "1 to 65535"},
    };
    size_t found = 0;

    (void)state;
    for (size_t i = 0; conf_option_at(i) != NULL; i++) {
        for (size_t j = 0; j < sizeof cases / sizeof *cases; j++) {
            char allowed[80] = "x";

            if (strcmp(conf_option_at(i)->name, cases[j].name) == 0) {
                assert_string_equal(conf_option_allowed(conf_option_at(i), allowed, sizeof allowed),
                                    cases[j].allowed);
                found++;
            }
        }
    }
    assert_int_equal(found, sizeof cases / sizeof *cases);
}

/* Nextcloud's table may hold what no file can. */
static void
test_urls_from_elsewhere(void **state)
{
    static const char *const bad[] = {"http://x\x7f", "http://x\x01", "http://x\xc3\xa9",
                                      "http://x\ny"};
    struct err err;
    char *url = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(conf_parse_url(bad[i], &url, &err));
        assert_null(url);
    }
    assert_true(conf_parse_url("https://x~y:1/z//", &url, &err));
    assert_string_equal(url, "https://x~y:1/z");
    mem_free(url);
}

static void
test_certificates_for_one_and_for_all(void **state)
{
    char *text = mem_printf("[database]\nconninfo = dbname=x\n[harp]\nshared_key_file = %s\n"
                            "ca_file = %s\n[daemon:d]\nurl = https://x\n"
                            "[daemon:e]\nurl = https://y\nca_file = /dev/null\n",
                            key_path, key_path);
    struct conf *conf = NULL;
    struct err err;

    (void)state;
    write_text(file_path, text, 0600);
    mem_free(text);
    assert_true(conf_load(file_path, &conf, &err));
    assert_string_equal(conf_find_daemon(conf, "d")->ca_file, key_path);
    assert_string_equal(conf_find_daemon(conf, "e")->ca_file, "/dev/null");
    conf_free(conf);
    conf_free(NULL);
}

static void
test_a_line_or_section_that_inih_would_cut(void **state)
{
    char long_value[260];
    char *text;

    (void)state;
    memset(long_value, 'x', sizeof long_value);
    long_value[198 - strlen("keep = ")] = '\0';
    text = mem_printf("[cleanup]\nkeep = %s\n", long_value);
    assert_error(text, "");
    mem_free(text);
    text = mem_printf("[cleanup]\nkeep = %sx\n", long_value);
    assert_error(text, ":8: longer than 198 bytes");
    assert_hint(text, "a connection string can be service=NAME, with the rest in pg_service.conf");
    mem_free(text);
    long_value[49 - strlen("daemon:")] = '\0';
    text = mem_printf("[daemon:%s]\nurl = http://x\n", long_value);
    assert_error(text, "");
    mem_free(text);
    text = mem_printf("[daemon:%sx]\nurl = http://x\n", long_value);
    assert_error(text, ":7: a section's name has at most 49 bytes");
    mem_free(text);
}

static void
test_whole_files(void **state)
{
    static const char with_nul[] = "[database]\0\n";
    struct conf *conf = NULL;
    struct err err;
    char *text;

    (void)state;
    assert_string_equal(error_of(""), ": the file is empty");
    assert_string_equal(error_of(" \n\n"), ": the file is empty");
    assert_string_equal(error_of("x = 1\n"), ":1: stands before the first [section]");
    assert_string_equal(error_of("[harp]\n"), ": [database] conninfo is missing");
    assert_string_equal(error_of("[database]\nconninfo = dbname=x\n"),
                        ": neither a [daemon:NAME] section nor [harp] shared_key_file");
    assert_string_equal(error_of("[database]\nconninfo = dbname=x\n[daemon:d]\nurl = http://x\n"),
                        ":3: [daemon:d] shared_key_file is missing, and [harp] has none");
    write_bytes(file_path, with_nul, sizeof with_nul - 1, 0600);
    assert_false(conf_load(file_path, &conf, &err));
    assert_string_equal(err.text + strlen(file_path), ": holds a NUL byte");
    text = mem_printf("[database]\nconninfo = dbname=x\n[harp]\nshared_key_file = %s\n"
                      "timeout = 30s\nconnect_timeout = 31s\n",
                      key_path);
    assert_string_equal(error_of(text),
                        ": [harp] connect_timeout is longer than timeout, which includes it");
    mem_free(text);
    text = mem_printf("%*s", 1024 * 1024 + 1, "");
    write_bytes(file_path, text, strlen(text), 0600);
    assert_false(conf_load(file_path, &conf, &err));
    assert_string_equal(err.text + strlen(file_path), ": larger than 1 MiB");
    mem_free(text);
    assert_false(conf_load(folder, &conf, &err));
    assert_string_equal(err.text + strlen(folder), ": is a folder");
    assert_false(conf_load("/dev/null", &conf, &err));
    assert_string_equal(err.text, "/dev/null: not a regular file");
    text = complete("");
    write_text(file_path, text, 0602);
    assert_false(conf_load(file_path, &conf, &err));
    assert_string_equal(err.text + strlen(file_path), ": anybody can change it (mode 602)");
    mem_free(text);
    text =
        mem_printf("\n\n[database]\nconninfo = dbname=x\n[harp]\nshared_key_file = %s\n", key_path);
    assert_string_equal(error_of(text), "");
    mem_free(text);
    assert_false(conf_load("/nowhere/harpsweep.ini", &conf, &err));
    assert_string_equal(err.text, "/nowhere/harpsweep.ini: No such file or directory");
    /* The last line needs no end. */
    text = mem_printf("[database]\nconninfo = dbname=x\n[harp]\nshared_key_file = %s", key_path);
    assert_string_equal(error_of(text), "");
    mem_free(text);
    /* A byte order mark and CRLF are how a Windows editor leaves a file. */
    text = mem_printf("\xef\xbb\xbf[database]\r\nconninfo = dbname=x\r\n[harp]\r\nshared_key_file "
                      "= %s\r\n[daemon:d]\r\nurl = http://x\r\n",
                      key_path);
    assert_string_equal(error_of(text), "");
    mem_free(text);
}

/* Root reads everything, so another user has to try. */
static void
test_a_file_without_permission(void **state)
{
    pid_t child;
    int status = 0;

    (void)state;
    write_text(file_path, "[database]\n", 0000);
    assert_int_equal(chmod(folder, 0755), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct conf *conf = NULL;
        struct err err;
        bool loaded = (getuid() == 0 && setuid(65534) != 0) || conf_load(file_path, &conf, &err);

        _exit(!loaded && strstr(err.text, ": Permission denied") != NULL &&
                      strstr(err.hint, "sudo -u harpsweep") != NULL
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(chmod(file_path, 0600), 0);
}

static void
test_a_password_needs_a_closed_file(void **state)
{
    static const char *const with[] = {"host=x password=p",       "postgresql://u:p@h/x",
                                       "password = 'p w'",        "postgresql://h/x?password=p",
                                       "host=x\tpassword=p",      "host=x sslpassword=p",
                                       "postgresql://u:p@h/x?a=b"};
    static const char *const without[] = {"host=x passfile=/x", "postgresql://u@h:5432/x",
                                          "dbname=password"};
    struct conf *conf = NULL;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof with / sizeof *with + sizeof without / sizeof *without; i++) {
        bool has = i < sizeof with / sizeof *with;
        const char *conninfo = has ? with[i] : without[i - sizeof with / sizeof *with];
        char *text = mem_printf("[database]\nconninfo = %s\n[daemon:d]\nurl = http://x\n"
                                "shared_key_file = %s\n",
                                conninfo, key_path);

        write_text(file_path, text, 0604);
        assert_int_equal(conf_load(file_path, &conf, &err), !has);
        if (has) {
            assert_non_null(strstr(err.text, "conninfo holds a password, and anybody can read"));
        } else {
            conf_free(conf);
        }
        write_text(file_path, text, 0640);
        assert_true(conf_load(file_path, &conf, &err));
        conf_free(conf);
        mem_free(text);
    }
}

/* The value of an option as it is shown; of the daemon if it is one of its options. */
static void
assert_shown(const struct conf *conf, const char *section, const char *name, const char *shown)
{
    bool daemon = strcmp(section, "daemon:NAME") == 0;

    for (size_t i = 0; i < conf_option_count(); i++) {
        struct conf_option_text option = conf_option_text(i);

        if (strcmp(option.section, section) == 0 && strcmp(option.name, name) == 0) {
            char *value = conf_option_value(conf, daemon ? &conf->daemons[0] : NULL, i);

            assert_string_equal(value, shown);
            mem_free(value);
            return;
        }
    }
    fail_msg("[%s] %s", section, name);
}

static void
test_shown_values(void **state)
{
    struct conf *conf =
        load("docker_engine_port = 24001\n[cleanup]\nenabled = no\ngrace_hours = 5\nkeep = a/*\n"
             "keep = b\n[run]\nsoft_limit = 120s\nhard_limit = 1000s\n");

    (void)state;
    assert_shown(conf, "database", "conninfo", "dbname=x");
    assert_shown(conf, "database", "table_prefix", "oc_");
    assert_shown(conf, "cleanup", "enabled", "no");
    assert_shown(conf, "cleanup", "verify", "yes");
    assert_shown(conf, "cleanup", "grace_hours", "5");
    assert_shown(conf, "cleanup", "keep", "a/*, b");
    assert_shown(conf, "run", "soft_limit", "2m");
    assert_shown(conf, "run", "hard_limit", "1000s");
    assert_shown(conf, "run", "metrics_file", "");
    assert_shown(conf, "harp", "shared_key_file", key_path);
    assert_shown(conf, "daemon:NAME", "url", "http://localhost:8780");
    assert_shown(conf, "daemon:NAME", "docker_engine_port", "24001");
    conf_free(conf);
    conf = load("");
    assert_shown(conf, "cleanup", "keep", "");
    assert_shown(conf, "daemon:NAME", "docker_engine_port", "");
    conf_free(conf);
}

static void
assert_key_error(const char *key, mode_t mode, const char *message)
{
    char *text = complete("[cleanup]\nverify = no\n");
    const char *error;

    assert_int_equal(unlink(key_path), 0);
    write_text(key_path, key, mode);
    error = error_of(text);
    mem_free(text);
    if (message[0] == '\0') {
        assert_string_equal(error, "");
    } else {
        assert_non_null(strstr(error, ":4: [harp] shared_key_file: "));
        assert_string_equal(strstr(error, key_path) + strlen(key_path), message);
    }
}

static void
test_key_files(void **state)
{
    char longest[4200];
    struct conf *conf;

    (void)state;
    assert_key_error("k\n", 0640, ": others can read or change it (mode 640)");
    assert_key_error("k\n", 0604, ": others can read or change it (mode 604)");
    assert_key_error("", 0600, ": the key is empty");
    assert_key_error(" \n", 0600, ": the key is empty");
    assert_key_error("\"\"\n", 0600, ": the key is empty");
    assert_key_error("a\nb\n", 0600, ": the key has more than one line");
    assert_key_error("a\"b\n", 0600, ": the key holds a double quote");
    assert_key_error("a\\b\n", 0600, ": the key holds a backslash");
    assert_key_error("a\tb\n", 0600, ": the key holds a byte that is not printable ASCII");
    assert_key_error("k\xc3\xa9y\n", 0600, ": the key holds a byte that is not printable ASCII");
    memset(longest, 'k', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_key_error(longest, 0600, ": longer than 4096 bytes");
    assert_key_error("k", 0400, "");
    assert_int_equal(unlink(key_path), 0);
    write_text(key_path, "  \"quo ted\" \r\n", 0600);
    conf = load("");
    assert_string_equal(conf->daemons[0].key, "quo ted");
    conf_free(conf);
    assert_int_equal(unlink(key_path), 0);
    write_text(key_path, "secret\n", 0600);
}

static void
test_shown_values_hide_passwords(void **state)
{
    static const struct {
        const char *conninfo;
        const char *shown;
    } cases[] = {
        {"host=x password=geheim dbname=y", "host=x password=*** dbname=y"},
        {"password = 'ge heim' dbname=y", "password = *** dbname=y"},
        {"postgresql://u:geheim@h/x", "postgresql://u:***@h/x"},
        {"postgresql://h/x?password=geheim&a=b", "postgresql://h/x?password=***&a=b"},
        {"host=x", "host=x"},
        /* libpq takes the last one, sees more white space than the space, and has other secrets. */
        {"password=a password=geheim", "password=*** password=***"},
        {"host=x\tpassword\t=\tgeheim\tdbname=y", "host=x\tpassword\t=\t***\tdbname=y"},
        {"sslkey=/k sslpassword=geheim dbname=y", "sslkey=/k sslpassword=*** dbname=y"},
        {"password=ge\\ heim dbname=y", "password=*** dbname=y"},
        {"password='it\\'s geheim' options='-c x=y'", "password=*** options='-c x=y'"},
        {"password=\\ heim dbname=y", "password=*** dbname=y"},
        {"password=geheim\\", "password=***"},
        {"dbname=y password=", "dbname=y password=***"},
        {"user='a''b'password=geheim", "user='a''b'password=***"},
        /* libpq refuses these, but they are shown. */
        {"password=ge heim dbname=y", "password=***"},
        {"password='geheim", "password=***"},
        {"dbname=y host", "dbname=y host"},
        {"postgresql://h?password=geheim", "postgresql://h?password=***"},
        {"postgresql://h/x?password&a=b", "postgresql://h/x?password&a=b"},
        {"postgresql://u:ge?heim@h/x?user=y", "postgresql://u:***@h/x?user=y"},
        {"postgres://u@h/x?a=b&%70assword=geheim&c", "postgres://u@h/x?a=b&%70assword=***&c"},
        {"postgresql://u:a@h/x?sslpassword=b&password=c",
         "postgresql://u:***@h/x?sslpassword=***&password=***"},
        {"postgresql://h:5432/x?application_name=a@b",
         "postgresql://h:5432/x?application_name=a@b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = mem_printf("[database]\nconninfo = %s\n[daemon:d]\nurl = http://x\n"
                                "shared_key_file = %s\n",
                                cases[i].conninfo, key_path);
        struct conf *conf = NULL;
        struct err err;
        char *shown;

        write_text(file_path, text, 0600);
        assert_true(conf_load(file_path, &conf, &err));
        shown = conf_option_value(conf, NULL, 0);
        assert_string_equal(shown, cases[i].shown);
        mem_free(shown);
        mem_free(text);
        conf_free(conf);
    }
}

/* The sample, each ";NAME = VALUE" uncommented: what it says is what the table says. */
static void
test_the_sample_tells_every_option_and_its_default(void **state)
{
    FILE *sample = fopen("etc/harpsweep.ini", "r");
    char line[400];
    char section[100] = "";
    size_t found = 0;

    (void)state;
    assert_non_null(sample);
    while (fgets(line, sizeof line, sample) != NULL) {
        char name[100] = "";
        char *value = strchr(line, '=');
        const char *start = line[0] == ';' ? line + 1 : line;
        bool known = false;

        line[strcspn(line, "\n")] = '\0';
        if (sscanf(start, "[%99[^]]", section) == 1 || value == NULL || start[0] == ' ') {
            continue;
        }
        assert_int_equal(sscanf(start, "%99[a-z_]", name), 1);
        value += strspn(value, "= ");
        for (size_t i = 0; i < conf_option_count(); i++) {
            struct conf_option_text option = conf_option_text(i);
            bool daemon = strncmp(section, "daemon:", 7) == 0;

            if (strcmp(option.name, name) == 0 &&
                strcmp(option.section, daemon ? "daemon:NAME" : section) == 0) {
                known = true;
                if (start != line && strcmp(name, "keep") != 0) {
                    assert_string_equal(value, option.default_value);
                }
            }
        }
        if (!known) {
            fail_msg("[%s] %s is not an option", section, name);
        }
        found++;
    }
    assert_int_equal(fclose(sample), 0);
    assert_int_equal(found, conf_option_count());
}

static void
test_the_sample_is_taken(void **state)
{
    FILE *sample = fopen("etc/harpsweep.ini", "r");
    char text[8192];
    size_t length;
    char *key;
    char *whole;

    (void)state;
    assert_non_null(sample);
    length = fread(text, 1, sizeof text - 1, sample);
    text[length] = '\0';
    assert_int_equal(fclose(sample), 0);
    key = strstr(text, "/etc/harpsweep/harp.key");
    assert_non_null(key);
    *key = '\0';
    whole = mem_printf("%s%s%s", text, key_path, key + strlen("/etc/harpsweep/harp.key"));
    assert_string_equal(error_of(whole), "");
    mem_free(whole);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_what_is_allowed),
        cmocka_unit_test(test_urls_from_elsewhere),
        cmocka_unit_test(test_certificates_for_one_and_for_all),
        cmocka_unit_test(test_a_line_or_section_that_inih_would_cut),
        cmocka_unit_test(test_whole_files),
        cmocka_unit_test(test_a_file_without_permission),
        cmocka_unit_test(test_a_password_needs_a_closed_file),
        cmocka_unit_test(test_key_files),
        cmocka_unit_test(test_shown_values),
        cmocka_unit_test(test_shown_values_hide_passwords),
        cmocka_unit_test(test_the_sample_tells_every_option_and_its_default),
        cmocka_unit_test(test_the_sample_is_taken),
    };

    return cmocka_run_group_tests_name("conf", tests, set_up, tear_down);
}

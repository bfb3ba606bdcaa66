/* Files with HaRP's shared key: whose they may be, and what may stand in them. */
#define _GNU_SOURCE /* setfsuid */
#include "keyfile.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534

static char folder[256];
static char path[300];

static int
set_up(void **state)
{
    const char *top = getenv("TMPDIR");

    (void)state;
    (void)snprintf(folder, sizeof folder, "%s/harpsweep-key-XXXXXX", top == NULL ? "/tmp" : top);
    if (mkdtemp(folder) == NULL || chmod(folder, 0755) != 0) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/key", folder);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void
write_key(const char *key, size_t length)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(key, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static void
test_bytes(void **state)
{
    static const struct {
        const char *key;
        size_t length;
        const char *read; /* NULL: an error */
        const char *error;
    } cases[] = {
        {"k", 1, "k", NULL},
        {"\t k~! \r\n", 8, "k~!", NULL},
        {"\"k\"", 3, "k", NULL},
        {"\"", 1, NULL, ": the key holds a double quote"},
        {"\"k", 2, NULL, ": the key holds a double quote"},
        {"k\"", 2, NULL, ": the key holds a double quote"},
        {"\\", 1, NULL, ": the key holds a backslash"},
        {"a\rb", 3, NULL, ": the key has more than one line"},
        {"a\nb", 3, NULL, ": the key has more than one line"},
        {"a\x7f", 2, NULL, ": the key holds a byte that is not printable ASCII"},
        {"a\x1f", 2, NULL, ": the key holds a byte that is not printable ASCII"},
        {"k\0", 2, NULL, ": the key holds a byte that is not printable ASCII"},
        {"\0k", 2, NULL, ": the key holds a byte that is not printable ASCII"},
        {"", 0, NULL, ": the key is empty"},
        {"\"\"", 2, NULL, ": the key is empty"},
        {" \n\t\r", 4, NULL, ": the key is empty"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *key = NULL;
        struct err err = {.kind = ERR_NONE};

        write_key(cases[i].key, cases[i].length);
        assert_int_equal(keyfile_read(path, &key, &err), cases[i].read != NULL);
        if (cases[i].read != NULL) {
            assert_string_equal(key, cases[i].read);
        } else {
            assert_string_equal(err.text + strlen(path), cases[i].error);
        }
        mem_free(key);
    }
}

static void
test_length(void **state)
{
    char longest[4097];
    char *key = NULL;
    struct err err;

    (void)state;
    memset(longest, 'k', sizeof longest);
    write_key(longest, 4096);
    assert_true(keyfile_read(path, &key, &err));
    assert_int_equal(strlen(key), 4096);
    mem_free(key);
    write_key(longest, 4097);
    assert_false(keyfile_read(path, &key, &err));
    assert_string_equal(err.text + strlen(path), ": longer than 4096 bytes");
}

static void
test_files(void **state)
{
    char *key = NULL;
    struct err err;

    (void)state;
    assert_false(keyfile_read("/nowhere/key", &key, &err));
    assert_string_equal(err.text, "/nowhere/key: No such file or directory");
    assert_non_null(strstr(err.hint, "HP_SHARED_KEY belongs in it"));
    assert_false(keyfile_read("/dev/null", &key, &err));
    assert_string_equal(err.text, "/dev/null: not a regular file");
    write_key("k", 1);
    for (mode_t other = 01; other <= 040; other <<= 1) {
        assert_int_equal(chmod(path, 0600 | other), 0);
        assert_false(keyfile_read(path, &key, &err));
        assert_non_null(strstr(err.text, ": others can read or change it (mode 6"));
    }
    assert_null(key);
}

static void
test_nothing_stays_open(void **state)
{
    char *key = NULL;
    struct err err;
    int before = dup(0);

    (void)state;
    assert_int_equal(close(before), 0);
    write_key("k", 1);
    assert_true(keyfile_read(path, &key, &err));
    mem_free(key);
    assert_false(keyfile_read(folder, &key, &err));
    assert_int_equal(dup(0), before);
    assert_int_equal(close(before), 0);
}

/* In a child that becomes somebody else: whether the file was taken, or why not. */
static void
as_nobody(bool keep_rights, const char *error)
{
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        char *key = NULL;
        struct err err = {.text = ""};
        bool mine = (keep_rights ? seteuid(NOBODY) : setuid(NOBODY)) == 0;

        if (keep_rights) {
            (void)setfsuid(0); /* may read every file, as with CAP_DAC_READ_SEARCH */
        }
        mine = mine && keyfile_read(path, &key, &err) == (error[0] == '\0');
        mine = mine && (error[0] == '\0' || strcmp(err.text + strlen(path), error) == 0);
        /* Whoever may not read it is told who could. */
        _exit(mine && (strstr(error, "denied") == NULL || strstr(err.hint, "sudo -u") != NULL) ? 0
                                                                                               : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Only root can give files away; for anybody else his own file was read above. */
static void
test_owners(void **state)
{
    char *key = NULL;
    struct err err;

    (void)state;
    write_key("k", 1);
    assert_true(keyfile_read(path, &key, &err));
    mem_free(key);
    key = NULL;
    if (geteuid() != 0) {
        return;
    }
    as_nobody(false, ": Permission denied");
    as_nobody(true, "");
    assert_int_equal(chown(path, NOBODY, (gid_t)-1), 0);
    as_nobody(false, "");
    assert_false(keyfile_read(path, &key, &err));
    assert_string_equal(err.text + strlen(path), ": belongs to somebody else (user ID 65534)");
    assert_int_equal(chown(path, 1, (gid_t)-1), 0);
    as_nobody(true, ": belongs to somebody else (user ID 1)");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),  cmocka_unit_test(test_length),
        cmocka_unit_test(test_files),  cmocka_unit_test(test_nothing_stays_open),
        cmocka_unit_test(test_owners),
    };

    return cmocka_run_group_tests_name("keyfile", tests, set_up, tear_down);
}

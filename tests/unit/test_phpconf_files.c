/* Which files Nextcloud's settings are in: config.php itself, and what may say otherwise beside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mem.h"
#include "phpconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_phpconf.XXXXXX";

static int
make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL || chdir(folder) != 0 ? -1 : 0;
}

static int
drop_folder(void **state)
{
    (void)state;
    return chdir("/") == 0 ? rmdir(folder) : -1;
}

static void
write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
drop_file(const char *name)
{
    assert_int_equal(unlink(name), 0);
}

static void
expect_dbname(const char *path, const char *file, const char *dbname)
{
    struct phpconf conf;
    struct err err;

    if (!phpconf_open(path, &conf, &err)) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(conf.path, file);
    assert_string_equal(conf.dbname, dbname);
    phpconf_close(&conf);
}

static void
test_where_config_php_is(void **state)
{
    (void)state;
    write_file("config.php", "<?php\n$CONFIG = array('dbname' => 'here');\n");
    expect_dbname("config.php", "config.php", "here");
    expect_dbname(".", "./config.php", "here");
    assert_int_equal(mkdir("config", 0700), 0);
    write_file("config/config.php", "<?php\n$CONFIG = array('dbname' => 'below');\n");
    expect_dbname(".", "./config/config.php", "below");
    drop_file("config/config.php");
    assert_int_equal(rmdir("config"), 0);
    drop_file("config.php");
}

static void
test_what_is_no_config_php(void **state)
{
    static const char with_nul[] = "<?php\n$CONFIG = array();\0";
    struct phpconf conf;
    struct err err;
    char *large = mem_alloc(1048576 + 1, 1);
    FILE *file;

    (void)state;
    memset(large, 'x', 1048576);
    write_file("config.php", large);
    assert_false(phpconf_open("config.php", &conf, &err));
    assert_string_equal(err.text,
                        "config.php: this is no config.php: it is larger than a megabyte");
    mem_free(large);
    file = fopen("config.php", "w");
    assert_non_null(file);
    assert_int_equal(fwrite(with_nul, 1, sizeof with_nul, file), sizeof with_nul);
    assert_int_equal(fclose(file), 0);
    assert_false(phpconf_open("config.php", &conf, &err));
    assert_string_equal(err.text, "config.php: this is no config.php: it has NUL bytes");
    drop_file("config.php");
}

static void
test_nothing_stays_open(void **state)
{
    int before = dup(0);
    char *other;

    (void)state;
    assert_int_equal(close(before), 0);
    write_file("config.php", "<?php\n$CONFIG = array('dbname' => 'here');\n");
    write_file("a.config.php", "nothing\n");
    expect_dbname("config.php", "config.php", "here");
    other = phpconf_other("config.php");
    assert_null(other);
    assert_int_equal(dup(0), before);
    assert_int_equal(close(before), 0);
    drop_file("a.config.php");
    drop_file("config.php");
}

static void
expect_other(const char *path, const char *expected)
{
    char *other = phpconf_other(path);

    if (expected == NULL) {
        assert_null(other);
    } else {
        assert_non_null(other);
        assert_string_equal(other, expected);
    }
    mem_free(other);
}

static void
test_files_beside_it(void **state)
{
    static const char *const about[] = {
        "<?php\n\n$CONFIG = array(\n  'dbhost' => 'x');",
        "$CONFIG['dbtype'] = 1;",
        "[\"dbname\" => 'x']",
        "'dbtableprefix'\nafter\n",
        "'x' => 1, 'dbuser' => getenv('dbuser')",
    };
    static const char *const not_about[] = {
        "",
        "\n",
        "dbhost\n",
        "# dbhost, dbname and dbuser stand in config.php\n",
        "'olddbhost' => 1,\n'memcache.local' => '\\OC\\Memcache\\APCu',\n",
    };
    char *path = mem_printf("%s/config.php", folder);
    char *first = mem_printf("%s/a.config.php", folder);
    char *second = mem_printf("%s/b.config.php", folder);

    (void)state;
    expect_other(path, NULL);
    write_file("dbhost.php", about[0]); /* which Nextcloud does not read */
    expect_other(path, NULL);
    drop_file("dbhost.php");
    for (size_t i = 0; i < sizeof not_about / sizeof *not_about; i++) {
        write_file("a.config.php", not_about[i]);
        expect_other(path, NULL);
    }
    for (size_t i = 0; i < sizeof about / sizeof *about; i++) {
        write_file("b.config.php", about[i]);
        expect_other(path, second);
        expect_other("config.php", "b.config.php");
    }
    write_file("a.config.php", about[0]);
    expect_other(path, first);
    drop_file("a.config.php");
    drop_file("b.config.php");
    /* One that cannot be read. */
    assert_int_equal(symlink("nowhere", "a.config.php"), 0);
    expect_other(path, NULL);
    drop_file("a.config.php");
    mem_free(path);
    mem_free(first);
    mem_free(second);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_config_php_is),
        cmocka_unit_test(test_what_is_no_config_php),
        cmocka_unit_test(test_nothing_stays_open),
        cmocka_unit_test(test_files_beside_it),
    };

    return cmocka_run_group_tests_name("phpconf_files", tests, make_folder, drop_folder);
}

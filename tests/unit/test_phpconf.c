/* Nextcloud's config.php: what is read of it, and that whatever else stands there is refused by its
 * line. */
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
#include <unistd.h>

static char path[] = "/tmp/test_phpconf.XXXXXX";

static int
make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int
drop_file(void **state)
{
    (void)state;
    return unlink(path);
}

static bool
read_text(const char *text, struct phpconf *ret_conf, struct err *err)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    memset(err, 0, sizeof *err);
    return phpconf_open(path, ret_conf, err);
}

static void
refuse(const char *text, int line, const char *words)
{
    struct phpconf conf;
    struct err err;
    char *expected = mem_printf("%s:%d: %s", path, line, words);

    assert_false(read_text(text, &conf, &err));
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_string_equal(err.text, expected);
    assert_null(strstr(err.text, "secret"));
    assert_null(conf.dbpassword);
    mem_free(expected);
}

#define BEGIN "<?php\n$CONFIG = array (\n"

static void
test_as_nextcloud_writes_it(void **state)
{
    struct phpconf conf;
    struct err err;

    (void)state;
    assert_true(read_text(BEGIN "  'instanceid' => 'oc8c0fd71e03',\n"
                                "  'trusted_domains' => \n"
                                "  array (\n"
                                "    0 => 'cloud.example',\n"
                                "    'dbname' => 'not this one',\n"
                                "  ),\n"
                                "  'dbtype' => 'pgsql',\n"
                                "  'version' => '32.0.1.2',\n"
                                "  'installed' => true, 'debug' => FALSE, 'nothing' => NULL,\n"
                                "  'loglevel' => 2, 'ratio' => -1.5,\n"
                                "  'dbname' => 'nextcloud',\n"
                                "  'dbhost' => 'localhost:5433',\n"
                                "  'dbport' => '',\n"
                                "  'dbtableprefix' => 'oc_',\n"
                                "  'dbuser' => 'oc_admin',\n"
                                "  'dbpassword' => 'it\\'s a \\\\ secret $x',\n"
                                ");\n",
                          &conf, &err));
    assert_string_equal(conf.dbtype, "pgsql");
    assert_string_equal(conf.dbname, "nextcloud");
    assert_string_equal(conf.dbhost, "localhost:5433");
    assert_string_equal(conf.dbport, "");
    assert_string_equal(conf.dbtableprefix, "oc_");
    assert_string_equal(conf.dbuser, "oc_admin");
    assert_string_equal(conf.dbpassword, "it's a \\ secret $x");
    phpconf_close(&conf);
}

static void
test_other_ways_of_php(void **state)
{
    struct phpconf conf;
    struct err err;

    (void)state;
    assert_true(
        read_text("<?php /* by hand */ # and more\n// $CONFIG = 'x';\n"
                  "$CONFIG=[\"dbname\"=>\"a \\\"b\\\"\",'list'=>[1,2,[]],'dbname'=>'last',];\n?>\n",
                  &conf, &err));
    assert_string_equal(conf.dbname, "last");
    assert_null(conf.dbhost);
    phpconf_close(&conf);
    assert_true(read_text(BEGIN
                          "'dbname' => 'a', 'more' => array('dbname' => 'b', 'c' => ['d' => 1]),\n"
                          "'dbuser' => 'o\\n\\e',\n'dbport' => 5433,\n);\n",
                          &conf, &err));
    assert_string_equal(conf.dbname, "a");
    assert_string_equal(conf.dbuser, "o\\n\\e"); /* in single quotes no escape */
    assert_string_equal(conf.dbport, "5433");
    phpconf_close(&conf);
    assert_true(read_text("<?php\n$CONFIG = ARRAY();", &conf, &err));
    assert_null(conf.dbname);
    phpconf_close(&conf);
}

static void
test_what_is_computed_is_refused(void **state)
{
    (void)state;
    refuse(BEGIN "'dbpassword' => 'secret',\n'dbhost' => getenv('HOST'),\n);", 4,
           "a value is a text, a number, true, false, null or an array, but here stands 'getenv'");
    refuse(BEGIN "'dbhost' => 'a' . 'b',\n);", 3,
           "a comma or the array's end is missing, but here stands '.'");
    refuse(BEGIN "'dbhost' => \"$host\",\n);", 3,
           "a text with a variable in it is not read, but here stands '$host'");
    refuse(BEGIN "'dbhost' => \"{$host}\",\n);", 3,
           "a text with a variable in it is not read, but here stands '{'");
    refuse(BEGIN "=> 'x',\n);", 3,
           "a value is a text, a number, true, false, null or an array, but here stands '='");
    refuse(BEGIN "'dbhost' => \"a\\n\",\n);", 3,
           "this escape in a text is not read, but here stands '\\'");
    refuse(BEGIN "'dbhost' => $host,\n);", 3,
           "a value is a text, a number, true, false, null or an array, but here stands '$host'");
    refuse(BEGIN "...$more,\n);", 3,
           "a value is a text, a number, true, false, null or an array, but here stands '.'");
    refuse(BEGIN "'dbhost' => 'x',\n);\n$CONFIG['dbhost'] = 'y';", 5,
           "the only statement is '$CONFIG = array (...);', but here stands '$CONFIG'");
    refuse(BEGIN "'dbhost' => 'x',\n);\nif (file_exists('x')) { include 'x'; }", 5,
           "the only statement is '$CONFIG = array (...);', but here stands 'if'");
    refuse("<?php\ndefine('A', 1);\n$CONFIG = array();", 2,
           "the only statement is '$CONFIG = array (...);', but here stands 'define'");
    refuse(BEGIN "'dbhost' => true,\n);", 3, "'dbhost' is neither a text nor a number");
    refuse(BEGIN "'dbhost' => array('x'),\n);", 3, "'dbhost' is neither a text nor a number");
    refuse(BEGIN "true => 'x',\n);", 3, "a key is a text or a number, but here stands '?'");
}

static void
test_what_is_damaged_is_refused(void **state)
{
    (void)state;
    refuse("", 1, "a config.php begins with <?php, but the file ends");
    refuse("[database]\n", 1, "a config.php begins with <?php, but here stands '['");
    refuse("<?php\n", 2, "the only statement is '$CONFIG = array (...);', but the file ends");
    refuse(BEGIN "'dbpassword' => 'secret", 3, "a text has no end, but the file ends");
    refuse(BEGIN "'dbname' => 'x'", 3, "a comma or the array's end is missing, but the file ends");
    refuse(BEGIN "'dbname' => 'x')", 3, "';' is missing behind the array, but the file ends");
    refuse(BEGIN "'dbname' => 'x'];", 3,
           "a comma or the array's end is missing, but here stands ']'");
    refuse("<?php\n$CONFIG = 7;", 2, "$CONFIG is an array, but here stands '7'");
    refuse("<?php\n$CONFIG = ;", 2, "$CONFIG is an array, but here stands ';'");
    refuse("<?php\n$CONFIG = \x7f;", 2, "$CONFIG is an array, but here stands '?'");
    refuse("<?php\n$CONFIG = \xc3\xa9;", 2, "$CONFIG is an array, but here stands '?'");
    refuse("<?php\n$CONFIG = ('x');", 2, "$CONFIG is an array, but here stands '('");
    refuse("<?php\n$CONFIG = array {};", 2, "$CONFIG is an array, but here stands '{'");
    refuse("<?php\n= array();", 2,
           "the only statement is '$CONFIG = array (...);', but here stands '='");
    refuse("<?php\n$CONFIG array();", 2,
           "the only statement is '$CONFIG = array (...);', but here stands 'array'");
    refuse("<?php\n$CONFIG = abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst;", 2,
           "$CONFIG is an array, but here stands 'abcdefghijklmnopqrstuvwxyzabcdefghijklmn'");
    refuse(BEGIN "'list' => array {},\n);", 3, "'(' is missing, but here stands '{'");
    refuse(BEGIN "'port' => -,\n);", 3,
           "a value is a text, a number, true, false, null or an array, but here stands '-'");
    refuse(BEGIN "'ratio' => 1.,\n);", 3,
           "a value is a text, a number, true, false, null or an array, but here stands '1'");
}

static void
test_lines_are_counted_in_texts_and_comments(void **state)
{
    (void)state;
    refuse("<?php /* one\ntwo\n*/ # three\n// four\n$CONFIG = 7;", 5,
           "$CONFIG is an array, but here stands '7'");
    refuse(BEGIN "'dbname' => 'one\ntwo', 'dbhost' => x,\n);", 4,
           "a value is a text, a number, true, false, null or an array, but here stands 'x'");
    refuse("<?php\n/* one\ntwo", 3,
           "the only statement is '$CONFIG = array (...);', but the file ends");
}

static void
test_arrays_in_arrays_have_an_end(void **state)
{
    char text[400];

    (void)state;
    (void)snprintf(
        text, sizeof text, "<?php $CONFIG = %.*s;", 200,
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
    refuse(text, 1, "arrays are nested too deeply, but here stands '['");
}

static void
test_files(void **state)
{
    struct phpconf conf;
    struct err err;

    (void)state;
    assert_false(phpconf_open("/nowhere/config.php", &conf, &err));
    assert_string_equal(err.text, "/nowhere/config.php: No such file or directory");
    assert_false(phpconf_open("/proc", &conf, &err));
    assert_string_equal(err.text, "/proc/config/config.php: No such file or directory");
    assert_false(phpconf_open("/nowhere/config.php", &conf, &err));
    assert_string_equal(err.text, "/nowhere/config.php: No such file or directory");
    assert_false(phpconf_open("/dev/zero", &conf, &err));
    assert_string_equal(err.text, "/dev/zero: this is no config.php: it is larger than a megabyte");
}

static void
assert_conninfo(const char *dbhost, const char *dbport, const char *expected)
{
    struct phpconf conf = {.dbtype = mem_strdup("pgsql"),
                           .dbhost = mem_strdup(dbhost),
                           .dbport = mem_strdup(dbport),
                           .dbname = mem_strdup("nc")};
    struct err err;
    char *conninfo = NULL;

    assert_true(phpconf_conninfo(&conf, &conninfo, &err));
    assert_string_equal(conninfo, expected);
    mem_free(conninfo);
    phpconf_close(&conf);
}

static void
test_where_the_database_is(void **state)
{
    (void)state;
    assert_conninfo(NULL, NULL, "dbname='nc'");
    assert_conninfo("", "", "dbname='nc'");
    assert_conninfo("db", NULL, "host='db' dbname='nc'");
    assert_conninfo("db:6432", NULL, "host='db' port='6432' dbname='nc'");
    assert_conninfo("db", "6432", "host='db' port='6432' dbname='nc'");
    assert_conninfo("/run/postgresql", NULL, "host='/run/postgresql' dbname='nc'");
    assert_conninfo("/run/postgresql:5433", NULL, "host='/run/postgresql' port='5433' dbname='nc'");
    assert_conninfo("localhost:/run/postgresql", NULL, "host='/run/postgresql' dbname='nc'");
    assert_conninfo("[::1]:5433", NULL, "host='::1' port='5433' dbname='nc'");
    assert_conninfo("db:", "5", "host='db:' port='5' dbname='nc'");
    assert_conninfo("[::1]", NULL, "host='::1' dbname='nc'");
    assert_conninfo("it's", NULL, "host='it\\'s' dbname='nc'");
}

static void
test_other_databases(void **state)
{
    struct phpconf conf = {.dbtype = mem_strdup("mysql"), .dbname = mem_strdup("nc")};
    struct err err;
    char *conninfo = NULL;

    (void)state;
    assert_false(phpconf_conninfo(&conf, &conninfo, &err));
    assert_string_equal(err.text, "this Nextcloud's dbtype is 'mysql'; harpsweep needs PostgreSQL");
    phpconf_close(&conf);
    assert_false(phpconf_conninfo(&conf, &conninfo, &err)); /* Nextcloud's default */
    assert_string_equal(err.text,
                        "this Nextcloud's dbtype is 'sqlite3'; harpsweep needs PostgreSQL");
    conf.dbtype = mem_strdup("pgsql");
    assert_false(phpconf_conninfo(&conf, &conninfo, &err));
    assert_string_equal(err.text, "config.php has no dbname");
    phpconf_close(&conf);
    assert_null(conninfo);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_nextcloud_writes_it),
        cmocka_unit_test(test_other_ways_of_php),
        cmocka_unit_test(test_what_is_computed_is_refused),
        cmocka_unit_test(test_what_is_damaged_is_refused),
        cmocka_unit_test(test_lines_are_counted_in_texts_and_comments),
        cmocka_unit_test(test_arrays_in_arrays_have_an_end),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_where_the_database_is),
        cmocka_unit_test(test_other_databases),
    };

    return cmocka_run_group_tests(tests, make_file, drop_file);
}

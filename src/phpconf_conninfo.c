/* Where Nextcloud's database is, for libpq. */
#include "buf.h"
#include "db.h"
#include "mem.h"
#include "phpconf.h"

#include <string.h>

/* "HOST:PORT" and "HOST:FOLDER": Nextcloud splits at the last colon that no bracket follows. */
static void
phpconf_split_host(const char *dbhost, char **ret_host, char **ret_port)
{
    const char *colon = strrchr(dbhost, ':');

    *ret_port = NULL;
    if (colon == NULL || colon[1] == '\0' || strchr(colon, ']') != NULL) {
        *ret_host = mem_strdup(dbhost);
    } else if (strspn(colon + 1, "0123456789") == strlen(colon + 1)) {
        *ret_host = mem_strndup(dbhost, (size_t)(colon - dbhost));
        *ret_port = mem_strdup(colon + 1);
    } else {
        *ret_host = mem_strdup(colon + 1);
    }
    if ((*ret_host)[0] == '[') {
        char *inner = mem_strndup(*ret_host + 1, strcspn(*ret_host + 1, "]"));

        mem_free(*ret_host);
        *ret_host = inner;
    }
}

static void
phpconf_add(struct buf *conninfo, const char *keyword, const char *value)
{
    char *quoted;

    if (value == NULL || *value == '\0') {
        return;
    }
    quoted = db_conninfo_quote(value);
    (void)buf_printf(conninfo, "%s%s=%s", conninfo->length == 0 ? "" : " ", keyword, quoted);
    mem_free(quoted);
}

bool
phpconf_conninfo(const struct phpconf *conf, char **ret_conninfo, struct err *err)
{
    struct buf conninfo;
    char *host;
    char *port;

    if (conf->dbtype == NULL || strcmp(conf->dbtype, "pgsql") != 0) {
        (void)err_set(err, ERR_CONFIG,
                      "this Nextcloud's dbtype is '%s'; harpsweep needs PostgreSQL",
                      conf->dbtype == NULL ? "sqlite3" : conf->dbtype);
        return err_hint(err, "'occ db:convert-type pgsql ...' moves a Nextcloud to PostgreSQL");
    }
    if (conf->dbname == NULL) {
        (void)err_set(err, ERR_CONFIG, "config.php has no dbname");
        return err_hint(err, "tell setup the database with --conninfo instead");
    }
    phpconf_split_host(conf->dbhost == NULL ? "" : conf->dbhost, &host, &port);
    buf_init(&conninfo, SIZE_MAX / 4);
    phpconf_add(&conninfo, "host", host);
    phpconf_add(&conninfo, "port", port != NULL ? port : conf->dbport);
    phpconf_add(&conninfo, "dbname", conf->dbname);
    *ret_conninfo = mem_strdup(buf_text(&conninfo));
    buf_free(&conninfo);
    mem_free(host);
    mem_free(port);
    return true;
}

/* Options and their values in words. */
#include "conf_table.h"
#include "mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t
conf_option_count(void)
{
    size_t count = 0;

    while (conf_option_at(count) != NULL) {
        count++;
    }
    return count;
}

static const char *
conf_type_name(enum conf_type type)
{
    switch (type) {
    case CONF_PATH:
        return "path";
    case CONF_BOOL:
        return "boolean";
    case CONF_NUMBER:
    case CONF_INT:
        return "whole number";
    case CONF_DURATION:
        return "duration";
    case CONF_GLOBS:
        return "pattern, repeatable";
    case CONF_URL:
        return "URL";
    case CONF_TEXT:
        break;
    }
    return "text";
}

struct conf_option_text
conf_option_text(size_t index)
{
    static char allowed[64][72]; /* the caller keeps what it gets */
    const struct conf_option *option = conf_option_at(index);
    const struct conf_option_text text = {
        .section = strcmp(option->section, "daemon") == 0 ? "daemon:NAME" : option->section,
        .name = option->name,
        .type = conf_type_name(option->type),
        .allowed = conf_option_allowed(option, allowed[index], sizeof allowed[index]),
        .default_value = option->default_value,
        .help = option->help,
    };

    return text;
}

/* Where the value of key stands in a connection string of the form key=value or of a URI's
 * parameters; NULL where it has none. */
static const char *
conf_find_password(const char *conninfo, const char **ret_end)
{
    const char *found = conninfo;

    if (strncmp(conninfo, "postgres://", 11) == 0 || strncmp(conninfo, "postgresql://", 13) == 0) {
        const char *user = strstr(conninfo, "://") + 3;
        const char *at = strchr(user, '@');
        const char *colon = strchr(user, ':');

        if (at != NULL && colon != NULL && colon < at) {
            *ret_end = at;
            return colon + 1;
        }
    }
    while ((found = strstr(found, "password")) != NULL) {
        const char *value = found + strlen("password");

        value += strspn(value, " ");
        if (*value == '=' && (found == conninfo || strchr(" ?&", found[-1]) != NULL)) {
            value++;
            value += strspn(value, " ");
            *ret_end = *value == '\'' ? strrchr(value, '\'') + 1 : value + strcspn(value, " &");
            return value;
        }
        found++;
    }
    return NULL;
}

bool
conf_has_password(const char *conninfo)
{
    const char *end;

    return conf_find_password(conninfo, &end) != NULL;
}

static char *
conf_show_conninfo(const char *conninfo)
{
    const char *end;
    const char *password = conf_find_password(conninfo, &end);

    if (password == NULL) {
        return mem_strdup(conninfo);
    }
    return mem_printf("%.*s***%s", (int)(password - conninfo), conninfo, end);
}

static char *
conf_show_globs(const struct conf *conf)
{
    char *all = mem_strdup("");

    for (size_t i = 0; i < conf->keep_count; i++) {
        char *longer = mem_printf("%s%s%s", all, i == 0 ? "" : ", ", conf->keep[i]);

        mem_free(all);
        all = longer;
    }
    return all;
}

char *
conf_option_value(const struct conf *conf, const struct conf_daemon *daemon, size_t index)
{
    const struct conf_option *option = conf_option_at(index);
    const char *base =
        strcmp(option->section, "daemon") == 0 ? (const char *)daemon : (const char *)conf;
    const void *value = base + option->offset;
    const char *const *text = value;
    char duration[32];

    switch (option->type) {
    case CONF_BOOL:
        return mem_strdup(*(const bool *)value ? "yes" : "no");
    case CONF_NUMBER:
        return mem_printf("%" PRId64, *(const int64_t *)value);
    case CONF_INT: /* 0 stands for what Nextcloud says */
        return *(const int *)value == 0 ? mem_strdup("") : mem_printf("%d", *(const int *)value);
    case CONF_DURATION:
        conf_print_duration(duration, sizeof duration, *(const int64_t *)value);
        return mem_strdup(duration);
    case CONF_GLOBS:
        return conf_show_globs(conf);
    case CONF_TEXT:
    case CONF_PATH:
    case CONF_URL:
        break;
    }
    if (strcmp(option->name, "conninfo") == 0) {
        return conf_show_conninfo(*text);
    }
    return mem_strdup(*text == NULL ? "" : *text);
}

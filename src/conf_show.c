/* Options and their values in words. */
#include "buf.h"
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

#define CONF_SPACE " \t\n\v\f\r"

/* Whether a parameter of libpq's is a secret: password, sslpassword, oauth_client_secret,
 * scram_client_key, … In a URI the name may be encoded: then it is taken for one. */
static bool
conf_is_secret(const char *name, size_t length)
{
    static const char *const parts[] = {"password", "secret", "_key", "%"};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t size = strlen(parts[i]);

        for (size_t at = 0; at + size <= length; at++) {
            if (memcmp(name + at, parts[i], size) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* The end of a value as libpq reads it: quotes, and a backslash before anything. */
static const char *
conf_value_end(const char *at)
{
    bool quoted = *at == '\'';

    at += quoted ? 1 : 0;
    while (*at != '\0' && (quoted ? *at != '\'' : strchr(CONF_SPACE, *at) == NULL)) {
        at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
    }
    return at + (quoted && *at == '\'' ? 1 : 0);
}

/* Copies `name = value …`, "***" for each secret; returns whether there is one. */
static bool
conf_mask_words(const char *at, struct buf *out)
{
    bool masked = false;

    while (*at != '\0') {
        const char *name = at + strspn(at, CONF_SPACE);
        size_t length = strcspn(name, "=" CONF_SPACE);
        const char *value = name + length + strspn(name + length, CONF_SPACE);
        const char *end;

        if (*value != '=') {
            /* libpq refuses this. Behind a password that lacks its quotes it is a part of that. */
            (void)buf_add_text(out, masked ? "" : at);
            return masked;
        }
        value += 1 + strspn(value + 1, CONF_SPACE);
        end = conf_value_end(value);
        if (conf_is_secret(name, length)) {
            masked = true;
            (void)buf_add(out, at, (size_t)(value - at));
            (void)buf_add_text(out, "***");
        } else {
            (void)buf_add(out, at, (size_t)(end - at));
        }
        at = end;
    }
    return masked;
}

/* Copies a URI, "***" for the password before its host and for each secret of its parameters;
 * returns whether there is one. */
static bool
conf_mask_uri(const char *uri, struct buf *out)
{
    const char *user = strstr(uri, "://") + 3;
    const char *host = user + strcspn(user, "@/");
    const char *password = user + strcspn(user, ":@");
    bool masked = *host == '@' && password < host;
    const char *at;

    if (*host != '@') {
        host = user;
    }
    at = host + strcspn(host, "?");
    (void)buf_add(out, uri, (size_t)((masked ? password + 1 : at) - uri));
    if (masked) {
        (void)buf_add_text(out, "***");
        (void)buf_add(out, host, (size_t)(at - host));
    }
    while (*at != '\0') {
        size_t length = strcspn(at, "&");
        size_t name = strcspn(at, "=&");
        bool secret = name < length && conf_is_secret(at, name);

        (void)buf_add(out, at, secret ? name + 1 : length);
        (void)buf_add_text(out, secret ? "***" : "");
        masked = masked || secret;
        at += length;
        if (*at == '&') {
            (void)buf_add(out, at++, 1);
        }
    }
    return masked;
}

static bool
conf_mask(const char *conninfo, struct buf *out)
{
    if (strncmp(conninfo, "postgres://", 11) == 0 || strncmp(conninfo, "postgresql://", 13) == 0) {
        return conf_mask_uri(conninfo, out);
    }
    return conf_mask_words(conninfo, out);
}

bool
conf_has_password(const char *conninfo)
{
    struct buf masked;
    bool has;

    buf_init(&masked, SIZE_MAX / 4);
    has = conf_mask(conninfo, &masked);
    buf_free(&masked);
    return has;
}

static char *
conf_show_conninfo(const char *conninfo)
{
    struct buf masked;
    char *text;

    buf_init(&masked, SIZE_MAX / 4);
    (void)conf_mask(conninfo, &masked);
    text = mem_strdup(buf_text(&masked));
    buf_free(&masked);
    return text;
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

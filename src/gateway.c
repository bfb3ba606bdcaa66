#include "gateway.h"

#include "imageref.h"
#include "mem.h"
#include "reply.h"

#include <string.h>

#define GATEWAY_BASE "/exapps/app_api"

struct gateway_limits
gateway_limits_of(const struct conf *conf)
{
    return (struct gateway_limits){.connect_timeout_ms = conf->connect_timeout_ms,
                                   .timeout_ms = conf->timeout_ms,
                                   .send_by_ms = 0};
}

static bool
gateway_begin(struct http *http, const struct conf_daemon *daemon,
              const struct gateway_limits *limits, const char *path, const char *body, void *user,
              struct err *err)
{
    char *url = mem_printf("%s" GATEWAY_BASE "%s", daemon->url, path);
    bool question = body == NULL && limits->timeout_ms > GATEWAY_QUESTION_MS;
    /* docker-engine-port would send /info to Docker, which HaRP then refuses. */
    bool for_docker = strcmp(path, "/info") != 0;
    const struct http_request request = {
        .url = url,
        .body = body,
        .key = daemon->key,
        .engine_port = for_docker ? daemon->engine_port : 0,
        .ca_file = daemon->ca_file,
        .connect_timeout_ms = limits->connect_timeout_ms,
        .timeout_ms = question ? GATEWAY_QUESTION_MS : limits->timeout_ms,
        .send_by_ms = limits->send_by_ms,
        .user = user,
    };
    bool begun = http_begin(http, &request, err);

    mem_free(url);
    return begun;
}

/* The reference as Docker should read it. A bare name of hex digits ("cafe") is a name first, but
 * where there is no such image Docker takes it for the beginning of an ID: with its default tag it
 * can only be a name. NULL where ref is no reference. mem_free() it. */
static char *
gateway_exact_ref(const char *ref, struct err *err)
{
    enum imageref_kind kind = imageref_kind(ref);

    if (kind == IMAGEREF_INVALID) {
        (void)err_set(err, ERR_INTERNAL, "not an image reference: \"%s\"", ref);
        return NULL;
    }
    if (kind == IMAGEREF_NAME && ref[strspn(ref, "0123456789abcdef")] == '\0') {
        return mem_printf("%s:latest", ref);
    }
    return mem_strdup(ref);
}

bool
gateway_begin_info(struct http *http, const struct conf_daemon *daemon,
                   const struct gateway_limits *limits, void *user, struct err *err)
{
    return gateway_begin(http, daemon, limits, "/info", NULL, user, err);
}

bool
gateway_begin_ping(struct http *http, const struct conf_daemon *daemon,
                   const struct gateway_limits *limits, void *user, struct err *err)
{
    return gateway_begin(http, daemon, limits, "/_ping", NULL, user, err);
}

bool
gateway_begin_inspect(struct http *http, const struct conf_daemon *daemon,
                      const struct gateway_limits *limits, const char *ref, void *user,
                      struct err *err)
{
    char *exact = gateway_exact_ref(ref, err);
    char *path;
    bool begun;

    if (exact == NULL) {
        return false;
    }
    path = mem_printf("/images/%s/json", exact);
    begun = gateway_begin(http, daemon, limits, path, NULL, user, err);
    mem_free(path);
    mem_free(exact);
    return begun;
}

bool
gateway_is_appid(const char *appid)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

    /* ".." would lead elsewhere. */
    return appid[0] != '\0' && appid[strspn(appid, allowed)] == '\0' && strstr(appid, "..") == NULL;
}

bool
gateway_begin_container(struct http *http, const struct conf_daemon *daemon,
                        const struct gateway_limits *limits, const char *appid, void *user,
                        struct err *err)
{
    char *path = mem_printf("/containers/nc_app_%s/json", appid);
    bool begun = gateway_begin(http, daemon, limits, path, NULL, user, err);

    mem_free(path);
    return begun;
}

bool
gateway_begin_removal(struct http *http, const struct conf_daemon *daemon,
                      const struct gateway_limits *limits, const char *ref, void *user,
                      struct err *err)
{
    char *exact = gateway_exact_ref(ref, err);
    char *body = exact == NULL ? NULL : reply_removal_request(exact);
    bool begun = false;

    if (body != NULL) {
        begun = gateway_begin(http, daemon, limits, "/docker/exapp/image_remove", body, user, err);
    } else if (exact != NULL) {
        (void)err_set(err, ERR_INTERNAL, "not UTF-8: an image reference");
    }
    mem_free(body);
    mem_free(exact);
    return begun;
}

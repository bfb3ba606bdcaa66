/*
 * HaRP's requests: which URL, which headers, which body.
 * Source: HaRP 0.4.4. The key goes with every request, and only to its own
 * daemon's URL; docker-engine-port with everything but /info.
 */
#ifndef HARPSWEEP_GATEWAY_H
#define HARPSWEEP_GATEWAY_H

#include "conf.h"
#include "err.h"
#include "http.h"

/* What every request to a daemon needs. */
struct gateway_limits {
    int64_t connect_timeout_ms;
    int64_t timeout_ms; /* of a removal */
    int64_t send_by_ms; /* as of struct http_request; 0: no limit */
};

/* As the settings have it, without a limit by when it is sent. */
struct gateway_limits gateway_limits_of(const struct conf *conf);

/* An inspect or a gate is a small question: it never gets more time than this. */
#define GATEWAY_QUESTION_MS 15000

/* Whether HaRP lets a container of that app be asked for: letters, digits, "_", "." and "-". */
bool gateway_is_appid(const char *appid);

/* Begin one request each; user comes back with the answer. False where it could not begin. */
bool gateway_begin_info(struct http *http, const struct conf_daemon *daemon,
                        const struct gateway_limits *limits, void *user, struct err *err)
    MUST_CHECK;
bool gateway_begin_ping(struct http *http, const struct conf_daemon *daemon,
                        const struct gateway_limits *limits, void *user, struct err *err)
    MUST_CHECK;
/* ref must be valid by imageref_kind(). */
bool gateway_begin_inspect(struct http *http, const struct conf_daemon *daemon,
                           const struct gateway_limits *limits, const char *ref, void *user,
                           struct err *err) MUST_CHECK;
/* The container that AppAPI makes for an app, nc_app_APPID; appid must be valid by
 * gateway_is_appid(). */
bool gateway_begin_container(struct http *http, const struct conf_daemon *daemon,
                             const struct gateway_limits *limits, const char *appid, void *user,
                             struct err *err) MUST_CHECK;
bool gateway_begin_removal(struct http *http, const struct conf_daemon *daemon,
                           const struct gateway_limits *limits, const char *ref, void *user,
                           struct err *err) MUST_CHECK;

#endif

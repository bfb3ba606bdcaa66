/*
 * The daemons of sweep_world.h, in the place of http.c: each request is answered when the run
 * waits, in order, one at a time.
 */
#ifndef HARPSWEEP_TESTS_SWEEP_WORLD_HTTP_H
#define HARPSWEEP_TESTS_SWEEP_WORLD_HTTP_H

bool
http_open(int max_parallel, http_done *done, void *context, struct http **ret_http, struct err *err)
{
    world.opens++;
    if (world.no_http) {
        return err_set(err, ERR_INTERNAL, "no libcurl");
    }
    assert_true(max_parallel > 0);
    world.http = (struct http){.done = done, .context = context};
    *ret_http = &world.http;
    return true;
}

/* "http://d.example:8780/exapps/app_api/images/app:1/json" is "d inspect app:1". */
static inline void
world_name(const struct http_request *request, char *text, size_t size)
{
    static const struct {
        const char *path;
        const char *verb;
    } kinds[] = {{"/exapps/app_api/info", "info"},
                 {"/exapps/app_api/images/", "inspect "},
                 {"/exapps/app_api/containers/nc_app_", "container "},
                 {"/exapps/app_api/docker/exapp/image_remove", "remove "}};
    const char *host = strstr(request->url, "://") + 3;
    int length = (int)strcspn(host, ".");

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *path = strstr(request->url, kinds[i].path);
        const char *rest = path == NULL ? NULL : path + strlen(kinds[i].path);

        if (rest != NULL && i == 3) {
            rest = strstr(request->body, ":\"") + 2;
        }
        if (rest != NULL) {
            const char *end = i == 0   ? rest + strlen(rest)
                              : i == 3 ? strchr(rest, '"')
                                       : strrchr(rest, '/');

            assert_int_equal(i == 3, request->body != NULL);
            (void)snprintf(text, size, "%.*s %s%.*s", length, host, kinds[i].verb,
                           (int)(end - rest), rest);
            return;
        }
    }
    fail_msg("%s", request->url);
}

bool
http_begin(struct http *http, const struct http_request *request, struct err *err)
{
    struct asked *asked = &world.asked[world.asked_count];
    char text[512];

    if (world.begin_fails) {
        return err_set(err, ERR_INTERNAL, "libcurl refuses");
    }
    assert_true(++world.asked_count < WORLD_ASKED_MAX);
    world_name(request, text, sizeof text);
    *asked = (struct asked){.what = strdup(text),
                            .user = request->user,
                            .begun_ms = world.now_ms,
                            .send_by_ms = request->send_by_ms,
                            .open = true};
    http->active++;
    return true;
}

int
http_active(const struct http *http)
{
    assert_non_null(http);
    return http->active;
}

static inline const char *
world_says(const struct asked *asked, char *text, size_t size)
{
    const char *what = strchr(asked->what, ' ') + 1;
    const char *of = strchr(what, ' ');
    bool by_id;

    if (strcmp(what, "info") == 0) {
        return "{\"version\": \"0.4.4\", \"docker\": true}";
    }
    if (strncmp(what, "remove", 6) == 0) {
        return "{\"deleted\": true, \"bytes_freed\": 5000}";
    }
    if (strncmp(what, "container", 9) == 0) {
        return "{\"Id\":\"c0ffee\",\"Image\":\"" ID_A
               "\",\"State\":{\"Status\":\"running\"},\"Config\":{\"Image\":\"app:2\"}}";
    }
    /* By its ID an image is asked for that has no name left. */
    by_id = strncmp(of + 1, "sha256:", 7) == 0;
    (void)snprintf(text, size,
                   "{\"Id\":\"%s\",\"RepoTags\":[%s%s%s],\"RepoDigests\":[\"app@" ID_B
                   "\"],\"Size\":3000,\"Metadata\":{\"LastTagTime\":\"2026-11-20T00:00:00.5Z\"}}",
                   by_id ? of + 1 : ID_A, by_id ? "" : "\"", by_id ? "" : of + 1,
                   by_id ? "" : "\"");
    return text;
}

/* Ends a request with an answer. */
static inline void
world_end(struct http *http, struct asked *asked, struct answered answered)
{
    char text[1024];
    struct http_answer answer = {.transport = answered.transport, .detail = "", .content_type = ""};

    assert_true(asked->open);
    asked->open = false;
    http->active--;
    world.now_ms += answered.took_ms;
    answer.duration_ms = answered.took_ms;
    answer.body = "";
    if (answered.transport == HTTP_ANSWERED) {
        answer.status = answered.status;
        answer.content_type = answered.type == NULL ? "application/json" : answered.type;
        answer.body = answered.body == NULL ? world_says(asked, text, sizeof text) : answered.body;
        answer.length = strlen(answer.body);
    }
    http->done(http->context, asked->user, &answer);
}

bool
http_wait(struct http *http, int extra_fd, bool extra_write, int64_t timeout_ms, struct err *err)
{
    /* One that is asked nothing and ends would be readable for ever. */
    assert_int_equal(extra_fd, world.db.busy ? 3 : -1);
    assert_between(timeout_ms, 1, 5000);
    world.nap_ms = timeout_ms;
    world.nap_writing = extra_write;
    world.nap_http = true;
    world_wait();
    assert_true(http->active > 0);
    if (world.wait_fails) {
        return err_set(err, ERR_INTERNAL, "libcurl fails");
    }
    for (size_t i = 0; i < world.asked_count; i++) {
        struct answered answered = {.status = 200, .took_ms = 5};

        if (world.asked[i].open) {
            if (world.on_asked != NULL) {
                world.on_asked(&world.asked[i], &answered);
            }
            world_end(http, &world.asked[i], answered);
            return true;
        }
    }
    return true;
}

void
http_abort_all(struct http *http)
{
    assert_non_null(http);
    world.aborts++;
    for (size_t i = 0; i < world.asked_count; i++) {
        if (world.asked[i].open) {
            world_end(http, &world.asked[i], (struct answered){.transport = HTTP_ABORTED});
        }
    }
}

void
http_close(struct http *http)
{
    assert_true(http == NULL || http == &world.http);
}

/* How often something was asked of a daemon. */
static inline size_t
times_asked(const char *what)
{
    size_t times = 0;

    for (size_t i = 0; i < world.asked_count; i++) {
        times += strcmp(world.asked[i].what, what) == 0;
    }
    return times;
}

static inline void
expect_asked(size_t nth, const char *what)
{
    assert_true(nth < world.asked_count);
    assert_string_equal(world.asked[nth].what, what);
}

#endif

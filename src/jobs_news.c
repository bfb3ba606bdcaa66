/* What a run looks at first: whether to go on, due work, and what is new in Nextcloud. */
#include "jobs.h"
#include "queries.h"

#include <stdlib.h>
#include <string.h>

/* Three columns side by side. */
static struct jobs_place
jobs_read_place(const struct db_result *result, int row, int column)
{
    const struct jobs_place nowhere = {NULL, NULL, 0};
    const struct jobs_place place = {
        .protocol = db_text_or_null(result, row, column),
        .host = db_text_or_null(result, row, column + 1),
        .docker_socket_port = (int)db_int(result, row, column + 2),
    };

    return place.protocol == NULL || place.host == NULL || place.docker_socket_port == 0 ? nowhere
                                                                                         : place;
}

const char *
jobs_hello(struct db_args *args)
{
    args->count = 0;
    return SQL_HELLO;
}

void
jobs_read_hello(const struct db_result *result, struct jobs_hello_row *ret_row)
{
    enum { SCHEMA_VERSION, CLOCK_S, BACKEND, ALARM };

    ret_row->schema_version = db_int(result, 0, SCHEMA_VERSION);
    ret_row->clock_ms = (int64_t)(strtod(db_text(result, 0, CLOCK_S), NULL) * 1000 + 0.5);
    ret_row->backend = db_int(result, 0, BACKEND);
    ret_row->alarm = db_bool(result, 0, ALARM);
}

const char *
jobs_find(struct db_args *args)
{
    args->count = 0;
    return SQL_FIND;
}

void
jobs_read_find(const struct db_result *result, int row, struct jobs_find_row *ret_row)
{
    enum { DAEMON, PAUSED, STOP, PROTOCOL };

    ret_row->daemon = db_text(result, row, DAEMON);
    ret_row->paused = db_bool(result, row, PAUSED);
    ret_row->stop = db_text(result, row, STOP);
    ret_row->place = jobs_read_place(result, row, PROTOCOL);
}

const char *
jobs_set_alarm(struct db_args *args)
{
    args->count = 0;
    return SQL_ALARM;
}

const char *
jobs_news(struct db_args *args)
{
    args->count = 0;
    return SQL_NEWS;
}

static enum jobs_news_kind
jobs_news_kind(const char *kind)
{
    static const char *const names[] = {
        [JOBS_NEWS_NEXTCLOUD] = "nextcloud",
        [JOBS_NEWS_DAEMON] = "daemon",
        [JOBS_NEWS_LOOK] = "look",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(kind, names[i]) == 0) {
            return (enum jobs_news_kind)i;
        }
    }
    return JOBS_NEWS_GONE;
}

void
jobs_read_news(const struct db_result *result, int row, struct jobs_news_row *ret_row)
{
    enum { KIND, NAME, DETAIL, DAEMON, PROTOCOL, HOST, PORT, PAUSED, STOP };

    ret_row->kind = jobs_news_kind(db_text(result, row, KIND));
    ret_row->name = db_text(result, row, NAME);
    ret_row->detail = db_text_or_null(result, row, DETAIL);
    ret_row->daemon = db_text(result, row, DAEMON);
    ret_row->place = jobs_read_place(result, row, PROTOCOL);
    ret_row->paused = db_bool(result, row, PAUSED);
    ret_row->stop = db_text(result, row, STOP);
}

const char *
jobs_settings(struct db_args *args)
{
    args->count = 0;
    return SQL_SETTINGS;
}

const char *
jobs_reconcile(struct db_args *args)
{
    args->count = 0;
    return SQL_RECONCILE;
}

const char *
jobs_observed(struct db_args *args, const struct jobs_observation *observations, size_t count)
{
    enum { APP, DAEMON, FINGERPRINT, REF, IMAGE, SIZE, CONTAINER, ARRAYS };
    struct buf arrays[ARRAYS];

    for (size_t i = 0; i < ARRAYS; i++) {
        db_array_begin(&arrays[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const struct jobs_observation *seen = &observations[i];

        db_array_text(&arrays[APP], seen->appid);
        db_array_text(&arrays[DAEMON], seen->daemon);
        db_array_text(&arrays[FINGERPRINT], seen->fingerprint);
        db_array_text(&arrays[REF], seen->image_ref);
        db_array_text(&arrays[IMAGE], seen->image_id);
        db_array_int_or_null(&arrays[SIZE], seen->bytes, seen->bytes >= 0);
        db_array_text(&arrays[CONTAINER], seen->container);
    }
    for (size_t i = 0; i < ARRAYS; i++) {
        db_arg_array(args, &arrays[i]);
    }
    return SQL_OBSERVED;
}

const char *
jobs_count_due(struct db_args *args, struct buf *daemons, const char *app, bool enabled,
               int64_t grace_hours, int64_t most)
{
    db_arg_array(args, daemons);
    db_arg_text(args, app);
    db_arg_bool(args, enabled);
    db_arg_int(args, grace_hours);
    db_arg_int(args, most);
    return SQL_COUNT_DUE;
}

/* Exchanges that are waited for. */
#include "clock.h"
#include "db.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

/* How long a statement may take before the connection is given up (milliseconds): every one of
 * ours takes a fraction of a second, so a longer silence is a dead server or a row that somebody
 * holds locked. */
#define DB_QUERY_TIMEOUT_MS 30000

bool
db_exchange(struct db *db, const struct db_step *steps, size_t count, int64_t timeout_ms,
            struct err *err)
{
    int64_t deadline = clock_boot_ms() + timeout_ms;

    if (!db_send(db, steps, count, err)) {
        return false;
    }
    for (;;) {
        enum db_progress progress = db_advance(db, err);
        int64_t left = deadline - clock_boot_ms();
        struct pollfd poll_fd = {.fd = db_fd(db), .events = POLLIN};

        if (progress != DB_BUSY) {
            return progress == DB_FINISHED;
        }
        if (left <= 0 && !db_has_input(db)) {
            db_drop(db);
            return err_set(err, ERR_DB_LOST, "database: no answer within %" PRId64 " s",
                           timeout_ms / 1000);
        }
        if (db_wants_write(db)) {
            poll_fd.events |= POLLOUT;
        }
        if (poll(&poll_fd, 1, left < 0 ? 0 : (int)left) < 0 && errno != EINTR) {
            (void)err_set(err, ERR_INTERNAL, "database: no waiting for its answer: %s",
                          strerror(errno));
            db_drop(db); /* else it would stay busy with what nobody waits for */
            return false;
        }
    }
}

bool
db_query(struct db *db, const char *sql, const struct db_args *args, struct db_result **ret_result,
         struct err *err)
{
    struct db_step step = {.sql = sql, .args = args};

    if (!db_exchange(db, &step, 1, DB_QUERY_TIMEOUT_MS, err)) {
        return false;
    }
    *ret_result = db_take(db, 0);
    return true;
}

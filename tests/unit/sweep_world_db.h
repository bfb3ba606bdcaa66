/*
 * The database of sweep_world.h, in the place of db.c: it gives out its jobs, and takes their
 * results, as the statements in sql/queries/ would.
 */
#ifndef HARPSWEEP_TESTS_SWEEP_WORLD_DB_H
#define HARPSWEEP_TESTS_SWEEP_WORLD_DB_H

static const struct {
    const char *sql;
    const char *name;
} world_names[] = {
    {SQL_HELLO, "hello"},
    {SQL_NEWS, "news"},
    {SQL_SETTINGS, "settings"},
    {SQL_FIND, "find"},
    {SQL_RECONCILE, "reconcile"},
    {SQL_OBSERVED, "observed"},
    {SQL_COUNT_DUE, "count"},
    {SQL_CLAIM, "claim"},
    {SQL_CONFIRM, "confirm"},
    {SQL_RECORD, "record"},
    {SQL_DAEMON_SEEN, "seen"},
    {SQL_RUN_FINISHED, "finished"},
    {SQL_ALARM, "alarm"},
    {SQL_PRUNE, "prune"},
    {SQL_PRUNE_RUNS, "prune_runs"},
    {SQL_PRUNE_IMAGES, "prune_images"},
    {SQL_PRUNE_INTAKE, "prune_intake"},
};

/* The element of an array that was sent, as PostgreSQL reads it; false behind the last one. */
static inline bool
array_item(const char *array, size_t index, char ret_item[256])
{
    const char *at = array + 1;

    assert_non_null(array);
    for (size_t i = 0; *at != '}'; i++) {
        size_t length = 0;
        bool quoted = *at == '"';

        for (at += quoted; quoted ? *at != '"' : *at != ',' && *at != '}'; at++) {
            at += *at == '\\';
            assert_true(length < 255);
            ret_item[length++] = *at;
        }
        ret_item[length] = '\0';
        at += quoted;
        if (i == index) {
            return true;
        }
        at += *at == ',';
    }
    return false;
}

/* Cells of a result, filled in row by row. */
struct cells {
    int columns;
    int rows;
    const char *cells[WORLD_JOBS_MAX * DB_ANSWER_COLUMNS];
    char texts[WORLD_JOBS_MAX * 4][24];
    size_t text_count;
};

static inline const char *
cells_text(struct cells *cells, const char *text)
{
    char *copy = cells->texts[cells->text_count++];

    assert_true(cells->text_count <= WORLD_JOBS_MAX * 4);
    assert_between(snprintf(copy, sizeof cells->texts[0], "%s", text), 1,
                   sizeof cells->texts[0] - 1);
    return copy;
}

static inline const char *
cells_number(struct cells *cells, int64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, number);
    return cells_text(cells, text);
}

static inline void
cells_add(struct cells *cells, const char *const *row)
{
    assert_true((size_t)((cells->rows + 1) * cells->columns) <
                sizeof cells->cells / sizeof *cells->cells);
    memcpy(&cells->cells[cells->rows++ * cells->columns], row,
           (size_t)cells->columns * sizeof *row);
}

static inline struct db_result *
cells_answer(const struct cells *cells)
{
    return db_answer(cells->columns, cells->rows, cells->cells);
}

/* Due jobs are numbered from 1 and due in that order. */
static inline void
world_claim_from(struct cells *cells, const char *daemon, int slots)
{
    int asked = slots;
    size_t last = 0;

    for (size_t i = 0; i < world.job_count && slots > 0; i++) {
        struct world_job *job = &world.jobs[i];
        const char *number = cells_number(cells, (int64_t)i + 1);

        if (job->claimed || strcmp(job->daemon, daemon) != 0) {
            continue;
        }
        slots--;
        last = i + 1;
        job->claimed = true;
        cells_add(cells, (const char *[]){job->end == NULL ? "job" : "ended", daemon, number, "1",
                                          job->end == NULL ? "claimed" : job->end, "app", job->ref,
                                          job->image_id, job->now ? "now" : "grace",
                                          "1795404953000", job->protocol, job->host, job->port,
                                          job->hold, job->delay_s, NULL});
    }
    if (last > 0) {
        cells_add(cells, (const char *[]){"upto", daemon, cells_number(cells, (int64_t)last),
                                          cells_number(cells, asked - slots), NULL, NULL, NULL,
                                          NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                          cells_number(cells, (int64_t)last * 1000)});
    }
}

static inline struct db_result *
world_claim(const struct said *said)
{
    static struct cells cells;
    char daemon[256];
    char slots[256];

    cells = (struct cells){.columns = 16};
    for (size_t i = 0; array_item(said->values[0], i, daemon); i++) {
        assert_true(array_item(said->values[1], i, slots));
        assert_between(atoi(slots), 1, 2 * SWEEP_AHEAD_MAX);
        if (world.planned != NULL) {
            cells_add(&cells, (const char *[]){"planned", cells_text(&cells, daemon), world.planned,
                                               NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                               NULL, NULL, NULL, NULL, NULL});
            world.planned = NULL;
        } else {
            world_claim_from(&cells, cells_text(&cells, daemon), atoi(slots));
        }
    }
    return cells_answer(&cells);
}

/* One row for each number of the array. */
static inline struct db_result *
world_confirm(const struct said *said)
{
    static struct cells cells;
    char item[256];

    cells = (struct cells){.columns = 4};
    for (size_t i = 0; array_item(said->values[1], i, item); i++) {
        const struct world_job *job = &world.jobs[atoi(item) - 1];

        assert_between(atoi(item), 1, world.job_count);
        cells_add(&cells, (const char *[]){cells_number(&cells, atoi(item)),
                                           job->changed ? "f" : "t", job->word, job->delay_s});
    }
    return cells_answer(&cells);
}

/* How many were recorded, and a row for each of which that does not say enough. */
static inline struct db_result *
world_record(const struct said *said)
{
    static struct cells cells;
    char item[256];
    char action[256];
    int64_t recorded = world.miscounted;

    cells = (struct cells){.columns = 5};
    cells_add(&cells, (const char *[]){"0", NULL, "sum", NULL, NULL});
    for (size_t i = 0; array_item(said->values[2], i, item); i++) {
        struct world_job *job = &world.jobs[atoi(item) - 1];
        const char *outcome = job->recorded == NULL ? "recorded" : job->recorded;
        bool done;

        assert_between(atoi(item), 1, world.job_count);
        done = !array_item(said->values[4], i, action) || strcmp(action, "NULL") == 0;
        if (done) {
            assert_true(array_item(said->values[5], i, action));
        }
        job->state = strcmp(action, "removed") == 0    ? "removed"
                     : strcmp(action, "untagged") == 0 ? "untagged"
                     : strcmp(action, "absent") == 0   ? "absent"
                     : strcmp(action, "fail") == 0     ? "failed"
                                                       : "pending";
        recorded += strcmp(outcome, "recorded") == 0;
        if (!done || strcmp(action, job->state) != 0 || strcmp(outcome, "recorded") != 0 ||
            job->beside != NULL) {
            cells_add(&cells, (const char *[]){cells_number(&cells, (int64_t)i + 1),
                                               cells_number(&cells, atoi(item)), outcome,
                                               job->state, job->beside});
        }
    }
    cells.cells[1] = cells_number(&cells, recorded);
    return cells_answer(&cells);
}

static inline struct db_result *
world_rows(const char *const *cells, size_t rows, int columns)
{
    return db_answer(columns, (int)rows, cells);
}

/* The triggers set the alarm for apps as for jobs. */
static inline bool
world_rings(void)
{
    bool news = false;

    for (size_t i = 0; i < world.news_count; i++) {
        news =
            news || strcmp(world.news[i][0], "look") == 0 || strcmp(world.news[i][0], "gone") == 0;
    }
    return news || world.alarm || world.found_count > 0;
}

static inline struct db_result *
world_hello(void)
{
    int64_t clock_ms = clock_wall_ms() + world.apart_ms;
    static struct cells cells;
    char clock[32];

    (void)snprintf(clock, sizeof clock, "%" PRId64 ".%03d", clock_ms / 1000,
                   (int)(clock_ms % 1000));
    cells = (struct cells){.columns = 4};
    cells_add(&cells,
              (const char *[]){cells_number(&cells, world.schema), cells_text(&cells, clock),
                               "4711", world_rings() ? "t" : "f"});
    return cells_answer(&cells);
}

static inline struct db_result *
world_count(const struct said *said)
{
    static struct cells cells;
    char daemon[256];

    cells = (struct cells){.columns = 2};
    for (size_t i = 0; array_item(said->values[0], i, daemon); i++) {
        int64_t due = 0;

        for (size_t job = 0; job < world.job_count; job++) {
            due += !world.jobs[job].claimed && strcmp(world.jobs[job].daemon, daemon) == 0;
        }
        cells_add(&cells, (const char *[]){cells_text(&cells, daemon), cells_number(&cells, due)});
    }
    return cells_answer(&cells);
}

static inline struct db_result *
world_answer(const struct said *said)
{
    const char *name = said->name;

    if (world.on_answer != NULL) {
        world.on_answer(said);
    }
    if (strcmp(name, "hello") == 0) {
        return world_hello();
    }
    if (strcmp(name, "news") == 0) {
        return world_rows(&world.news[0][0], world.news_count, 9);
    }
    if (strcmp(name, "settings") == 0) {
        return world_rows(&world.settings[0][0], world.settings_count, 3);
    }
    if (strcmp(name, "find") == 0) {
        return world_rows(&world.found[0][0], world.found_count, 6);
    }
    if (strcmp(name, "reconcile") == 0) {
        return world_rows((const char *[]){"2"}, 1, 1);
    }
    if (strcmp(name, "observed") == 0) {
        return world_rows((const char *[]){"app", "new", NULL, "two", "update", "7"}, 2, 3);
    }
    if (strcmp(name, "claim") == 0) {
        return world_claim(said);
    }
    if (strcmp(name, "count") == 0) {
        return world_count(said);
    }
    return strcmp(name, "confirm") == 0  ? world_confirm(said)
           : strcmp(name, "record") == 0 ? world_record(said)
                                         : world_rows(NULL, 0, 1);
}

bool
db_is_open(const struct db *db)
{
    return db->open;
}

int
db_fd(const struct db *db)
{
    return db->open ? 3 : -1;
}

bool
db_wants_write(const struct db *db)
{
    (void)db;
    return world.wants_write;
}

bool
db_has_input(const struct db *db)
{
    assert_true(db->open);
    return world.has_input;
}

int64_t
db_sent_at(const struct db *db)
{
    return db->sent_at;
}

void
db_keep(struct db *db, int64_t backend, const char *name)
{
    assert_ptr_equal(db, &world.db);
    assert_int_equal(backend, 4711);
    assert_int_equal(strlen(name), 36);
    world.keeps++;
}

void
db_drop(struct db *db)
{
    world.drops++;
    db->open = false;
    db->busy = false;
}

bool
db_reopen(struct db *db, struct err *err)
{
    world.reopens++;
    if (world.no_reopen) {
        return err_set(err, ERR_CONFIG, "no connection");
    }
    db->open = true;
    return true;
}

bool
db_send(struct db *db, const struct db_step *steps, size_t count, struct err *err)
{
    assert_true(db->open);
    assert_between(count, 1, DB_STEPS_MAX);
    if (db->busy) {
        return err_set(err, ERR_INTERNAL, "still busy");
    }
    if (world.send_fails) {
        db->open = false;
        return err_set(err, ERR_DB_LOST, "lost in the middle");
    }
    db->busy = true;
    db->sent_at = world.now_ms;
    db->first = world.said_count;
    db->count = count;
    db->exchanges++;
    for (size_t i = 0; i < count; i++) {
        struct said *said = &world.said[world.said_count++];

        assert_true(world.said_count < WORLD_SAID_MAX);
        *said = (struct said){.exchange = db->exchanges, .at_ms = world.now_ms};
        for (size_t at = 0; at < sizeof world_names / sizeof *world_names; at++) {
            said->name =
                strcmp(world_names[at].sql, steps[i].sql) == 0 ? world_names[at].name : said->name;
        }
        assert_non_null(said->name);
        said->count = steps[i].args->count;
        for (int at = 0; at < said->count; at++) {
            said->values[at] =
                steps[i].args->values[at] == NULL ? NULL : strdup(steps[i].args->values[at]);
        }
    }
    return true;
}

enum db_progress
db_advance(struct db *db, struct err *err)
{
    enum db_progress progress =
        world.on_exchange == NULL ? DB_FINISHED : world.on_exchange(db->exchanges, err);

    assert_true(db->busy);
    if (world.silent) {
        return DB_BUSY;
    }
    db->busy = progress == DB_BUSY;
    if (progress == DB_BROKEN && err->kind == ERR_DB_LOST) {
        db->open = false;
    }
    return progress;
}

struct db_result *
db_take(struct db *db, size_t index)
{
    assert_true(index < db->count);
    return world_answer(&world.said[db->first + index]);
}

bool
db_exchange(struct db *db, const struct db_step *steps, size_t count, int64_t timeout_ms,
            struct err *err)
{
    assert_between(timeout_ms, 1000, 60000);
    return db_send(db, steps, count, err) && db_advance(db, err) == DB_FINISHED;
}

bool
db_query(struct db *db, const char *sql, const struct db_args *args, struct db_result **ret_result,
         struct err *err)
{
    (void)db;
    (void)sql;
    (void)args;
    (void)ret_result;
    return err_set(err, ERR_INTERNAL, "a run does not wait");
}

/* What the run said, the nth time (from 0); NULL: it did not. */
static inline const struct said *
said(const char *name, size_t nth)
{
    for (size_t i = 0; i < world.said_count; i++) {
        if (strcmp(world.said[i].name, name) == 0 && nth-- == 0) {
            return &world.said[i];
        }
    }
    return NULL;
}

static inline size_t
times_said(const char *name)
{
    size_t times = 0;

    while (said(name, times) != NULL) {
        times++;
    }
    return times;
}

/* What was given with it; parameter: from 1, as in the SQL. */
static inline const char *
said_value(const char *name, size_t nth, int parameter)
{
    const struct said *found = said(name, nth);

    if (found == NULL || parameter > found->count) {
        fail_msg("%s was not said %zu times with %d parameters", name, nth + 1, parameter);
        return NULL;
    }
    return found->values[parameter - 1];
}

static inline void
expect_said(const char *name, size_t nth, int parameter, const char *value)
{
    const char *found = said_value(name, nth, parameter);

    if (value == NULL || found == NULL) {
        assert_ptr_equal(found, value);
    } else {
        assert_string_equal(found, value);
    }
}

#endif

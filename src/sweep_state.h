/*
 * The state of a run, shared by the files of sweep: sweep.c (the loop and its
 * limits), sweep_news.c (what there is to do), sweep_daemon.c (what is said to
 * HaRP), sweep_job.c and sweep_look.c (what its answers mean), sweep_db.c,
 * sweep_ask.c, sweep_claim.c and sweep_record.c (what is said to the database),
 * sweep_watch.c (what a watcher sees).
 */
#ifndef HARPSWEEP_SWEEP_STATE_H
#define HARPSWEEP_SWEEP_STATE_H

#include "http.h"
#include "lane.h"
#include "roster.h"
#include "sweep.h"
#include "verdict.h"

/* The database's word that a job may be deleted is asked for again when it is older than this
 * (milliseconds): between that word and the delete, somebody may have kept the job. Where Nextcloud
 * is watched, a deploy may have begun, and there the word must be younger: a deploy that begins
 * after it still has to ask a registry before it creates its container. */
#define SWEEP_CONFIRMED_MS 1000
#define SWEEP_CONFIRMED_NEXTCLOUD_MS 200

/* Where that word took more than three quarters of its time, fewer jobs are asked about at once.
 * Where for so long (milliseconds) even those about one job were so slow, and none led to a delete,
 * the run ends: nothing is deleted on older knowledge. */
#define SWEEP_WORD_SLOW_MS 10000

/* Claimed ahead of the free places at most: what the measured speed starts within a second, and
 * never more than this many jobs. A long queue would outlive its leases. */
#define SWEEP_AHEAD_MAX 1024

/* And no more than this many times what was claimed before: a claim of many takes its time, and the
 * daemon would wait for it while the database could wait for the daemon. */
#define SWEEP_AHEAD_GROWTH 4

/* Results are recorded when there are so many, or the oldest is so old (milliseconds). Fewer go
 * with whatever else is said, unless they are so few that whoever waits for that would wait for
 * them; and where nothing is left to claim, when the last ones are recorded nobody does anything
 * else. */
#define SWEEP_RECORD_COUNT 1024
#define SWEEP_RECORD_MS 250
#define SWEEP_RECORD_ALONG 64
#define SWEEP_RECORD_LAST 256

/* What is known of daemons is offered so often: it may share its exchange with something that the
 * database refuses, but a run that offers what is refused itself would never end. */
#define SWEEP_SEEN_TRIES 3

/* A watcher looks so often, and what is due is counted so long after the beginning (milliseconds):
 * a run that is over by then was never asked how much there is. */
#define SWEEP_LOOK_MS 200
#define SWEEP_COUNT_AFTER_MS 1000

/* Observations in one statement. */
#define SWEEP_OBSERVE_COUNT 64

enum sweep_phase { SWEEP_INSPECT_REF, SWEEP_INSPECT_ID, SWEEP_REMOVE_REF, SWEEP_REMOVE_ID };

struct sweep_daemon;
struct sweep_job;
struct sweep_look;

/* What an answer belongs to; without job and look, to the daemon's /info. */
struct sweep_call {
    struct sweep_daemon *daemon;
    struct sweep_job *job;
    struct sweep_look *look;
};

struct sweep_job {
    struct sweep_call call;
    struct job job;
    enum sweep_phase phase;
    int64_t start_by_ms; /* no request for it starts later: its lease would not cover the end */
    int64_t
        confirmed_ms; /* when the question was sent to which the database said that it is ours */
    int64_t ended_ms;
    int64_t inspected_ms; /* when Docker told of the image */
    bool confirmed_image; /* and that question named the image */
    char image_id[72];    /* what Docker told; "" where it was not asked, or there is none */
    struct jobs_result result;
    struct sweep_job *next;
};

struct sweep_list {
    struct sweep_job *first;
    struct sweep_job *last;
    size_t count;
};

/* An app whose container is to be looked at. */
struct sweep_look {
    struct sweep_call call;
    char *appid;
    char *fingerprint;
    bool sizing; /* the container was seen, its image's size is asked */
    struct verdict_container seen;
    int64_t bytes; /* -1: not known */
    struct sweep_look *next;
};

struct sweep_daemon {
    struct sweep_call call;
    struct lane lane;
    const struct roster_daemon *entry;
    char known_stop[16]; /* what stopped it in an earlier run: nobody has to be told again */
    bool left_alone;     /* a wrong key was met lately, or another daemon was named */
    bool due;            /* it has, or had, due work in this run */
    bool drained;        /* a claim came back with less than was asked for */
    bool anew;           /* new jobs got their grace: some may be due at once, or long ago */
    bool stop_told;
    bool noted;       /* its stop stands in the database */
    int held;         /* jobs claimed and without a result */
    int asked;        /* jobs asked for in the claim under way */
    int64_t after_us; /* the last job that was claimed: when it was due, and its number */
    int64_t after_id; /* 0: all are looked at */
    int64_t mean_ms;  /* of a job's requests together; 0: none was measured */
    struct sweep_list queue;
    struct sweep_look *looks; /* waiting */
    int looking;              /* looks that are not recorded yet */
    int64_t claimed;          /* what a watcher is told: jobs claimed, … */
    int64_t done;             /* … recorded with a result, … */
    int64_t returned;         /* … recorded without one, … */
    int64_t left;             /* … and not claimed yet; -1: was not counted */
    bool more;                /* there were more than are counted */
};

struct sweep {
    const struct conf *conf;
    const struct sweep_options *options;
    struct db *db;
    struct http *http;
    struct jobs_run run;
    struct roster *roster;
    struct sweep_daemon *daemons;
    size_t daemon_count;
    size_t turn; /* daemon whose turn it is to come first */
    /* Daemons whose /info is under way. It takes no place from other requests: several that hang
     * would else take them all, each for as long as a request may take. */
    int asking;

    struct sweep_list confirm;    /* wait for the database's word */
    struct sweep_list confirming; /* asked for in the exchange under way */
    size_t confirm_max;           /* asked for at once; fewer where the word is slow */
    int64_t slow_since_ms;        /* words about one are, and no delete started; 0: not so */
    struct sweep_list results;    /* to be recorded */
    struct sweep_list recording;  /* sent in the exchange under way */
    size_t record_max;            /* results per statement; 1 after one was refused, or held up */
    struct sweep_look *looked;    /* to be recorded */
    struct sweep_look *observing; /* sent in the exchange under way */

    int64_t began_ms;
    uint32_t claim;      /* number of the claim that was sent last */
    int64_t claims_left; /* -1: no limit */
    int64_t mean_ms;     /* over all daemons */
    bool enabled;        /* as the settings or Nextcloud say */
    int64_t grace_hours;
    bool nextcloud;     /* its tables are watched */
    bool found;         /* the database said which daemons have due work */
    bool alarm_rang;    /* it said that one may have, … */
    bool alarm_due;     /* … and did not name any: the next run needs not ask so soon */
    bool reconcile_due; /* apps were removed and nobody told */
    bool closing;       /* no more claims */
    bool aborting;      /* no more requests */
    bool cut_short;     /* jobs were given back because the run had to end */
    bool alone;         /* an exchange was refused: next time record without anything else */
    bool hello_due;     /* schema and clock have to be looked at (again) */
    bool begin_due;     /* and at first nothing else: only an alarm makes a run ask for more */
    bool hello_ok;
    bool counted; /* what is due was counted for a watcher, or will not be */

    /* The exchange under way; steps are -1 where they are not in it. */
    bool step_busy;
    bool confirms_only; /* it has step_confirm and no other */
    int step_hello;
    int step_news;
    int step_settings;
    int step_find;
    int step_reconcile;
    int step_observed;
    int step_record;
    int step_confirm;
    int step_claim;
    int step_seen;
    int step_count;
    bool looks_alone;   /* an exchange with looks was refused: they are offered one by one, and
                           nothing else */
    int seen_failures;  /* exchanges with what is known of daemons that the database refused */
    int64_t look_at_ms; /* when a watcher looks again */
    int64_t count_most; /* jobs of a daemon that were counted at most */
    int64_t wall_sent_ms;
    int64_t reconnect_at_ms;
    int64_t reconnect_wait_ms;

    struct sweep_report *report;
    struct err failure; /* first failure of the run itself; ERR_NONE: none */
};

void sweep_list_push(struct sweep_list *list, struct sweep_job *job);
void sweep_list_push_first(struct sweep_list *list, struct sweep_job *job);
struct sweep_job *sweep_list_pop(struct sweep_list *list);
/* Moves all of from behind to. */
void sweep_list_move(struct sweep_list *to, struct sweep_list *from);
void sweep_job_free(struct sweep_job *job);

/* Remembers the first failure of the run and stops claiming. */
void sweep_fail(struct sweep *sweep, const struct err *err);

/* Ends an attempt: the result waits to be recorded. reason is cut where it is too long. */
void sweep_end_job(struct sweep *sweep, struct sweep_job *job, enum jobs_action action,
                   const char *reason);

/* sweep_news.c */

/* Whether the schema and the clock are as they have to be: else the run ends. */
void sweep_check_hello(struct sweep *sweep, const struct db_result *result);

/* Act on what the first exchange told: Nextcloud's settings, then its news and the due work. */
void sweep_follow(struct sweep *sweep, const struct db_result *settings);
void sweep_learn(struct sweep *sweep, const struct db_result *news, const struct db_result *found);

/* sweep_daemon.c */

struct sweep_daemon *sweep_find_daemon(struct sweep *sweep, const char *name);
/* Loads libcurl once a daemon is known to have due work, while the database thinks about which:
 * a run that finds nothing never needs it. True where requests can start from now on. */
bool sweep_open_http(struct sweep *sweep);
/* Starts every request that may start now. */
void sweep_start(struct sweep *sweep);
/* Gives back every job that has not been sent. */
void sweep_give_back(struct sweep *sweep, struct sweep_daemon *daemon, const char *reason);
/* Seconds during which later runs should leave a daemon alone after such a stop. */
int sweep_pause_s(enum verdict_stop stop);

/* sweep_job.c */

/* Takes the next job of a daemon one step further. False where nothing can start. */
bool sweep_start_job(struct sweep *sweep, struct sweep_daemon *daemon);
void sweep_job_answered(struct sweep *sweep, struct sweep_job *job,
                        const struct http_answer *answer);
/* Gives a job back, or counts the attempt as failed where its daemon is gone for good. */
void sweep_release(struct sweep *sweep, struct sweep_job *job, const char *reason);

/* sweep_look.c */

void sweep_add_look(struct sweep_daemon *daemon, const char *appid, const char *fingerprint);
/* Begins the next look of a daemon. False where nothing can start. */
bool sweep_start_look(struct sweep *sweep, struct sweep_daemon *daemon);
void sweep_look_answered(struct sweep *sweep, struct sweep_look *look,
                         const struct http_answer *answer);
/* Forgets the looks that have not begun: the next run takes them up again. */
void sweep_drop_looks(struct sweep_daemon *daemon);
/* Whether every app on the engine of this daemon has been looked at, as far as it can be. */
bool sweep_engine_is_seen(const struct sweep *sweep, const struct sweep_daemon *daemon);
void sweep_observed(struct sweep *sweep, const struct db_result *result);
/* Puts back what an exchange carried that did not happen. */
void sweep_unobserve(struct sweep *sweep);
/* The database refuses the looks under way, though nothing else was sent: they are told of and
 * dropped. */
void sweep_drop_observing(struct sweep *sweep, const struct err *err);
void sweep_free_looks(struct sweep *sweep);

/* sweep_ask.c: the steps of an exchange; each function adds at most one. */

struct sweep_steps {
    struct db_step steps[DB_STEPS_MAX];
    struct db_args args[DB_STEPS_MAX];
    int count;
};

/* Whether a daemon has due jobs that nobody claimed, as far as this run knows. */
bool sweep_has_more(const struct sweep_daemon *daemon);
/* And whether this run will claim them. */
bool sweep_may_claim(const struct sweep *sweep, const struct sweep_daemon *daemon);
/* A place for one more step; the caller sets its sql and fills in its args. */
int sweep_add_step(struct sweep_steps *steps);
void sweep_clear_steps(struct sweep_steps *steps);
/* What there is to do, once in a run: several steps. */
void sweep_add_find(struct sweep *sweep, struct sweep_steps *steps);
void sweep_add_reconcile(struct sweep *sweep, struct sweep_steps *steps);
void sweep_add_observed(struct sweep *sweep, struct sweep_steps *steps);
void sweep_add_claim(struct sweep *sweep, struct sweep_steps *steps);
void sweep_add_confirm(struct sweep *sweep, struct sweep_steps *steps);
/* Only where there are results. */
void sweep_add_record(struct sweep *sweep, struct sweep_steps *steps);
/* What was learned of daemons: of stopped ones at once, of the others where all is set. */
void sweep_add_seen(struct sweep *sweep, struct sweep_steps *steps, bool all);

/* sweep_claim.c */

void sweep_claimed(struct sweep *sweep, const struct db_result *result);
/* How old the database's word about a job may be when its delete starts (milliseconds). */
int64_t sweep_word_ms(const struct sweep *sweep);
/* The jobs that still stand go to the head of their queues; the others ended meanwhile. */
void sweep_confirmed(struct sweep *sweep, const struct db_result *result);

/* sweep_watch.c: only where somebody watches */

/* Calls the watcher, where it is time to. */
void sweep_show(struct sweep *sweep);
void sweep_add_count(struct sweep *sweep, struct sweep_steps *steps);
void sweep_counted(struct sweep *sweep, const struct db_result *result);

/* sweep_record.c */

void sweep_recorded(struct sweep *sweep, const struct db_result *result);

/* sweep_db.c */

/* Connects again where the connection is lost and it is time to. May block: what is decided before
 * it, by the clock or by the database's word, is old after it. */
void sweep_db_reconnect(struct sweep *sweep);
/* Sends what there is to say, unless something is under way. force: record even few results. */
void sweep_db_send(struct sweep *sweep, bool force);
/* Reads what came, and acts on it. */
void sweep_db_advance(struct sweep *sweep);
/* The database refused the results of the exchange, or gave an answer about them that makes no
 * sense: they are sent once more, alone, and then one by one; which of them it is about is told and
 * dropped.
 */
void sweep_not_recorded(struct sweep *sweep, const struct err *err);
/* The last words of a run: when the next one has to look. Of one that did work also what it learned
 * of its daemons, its own row, and a few old rows less. */
void sweep_db_finish(struct sweep *sweep);

#endif

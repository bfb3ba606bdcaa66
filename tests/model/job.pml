/*
 * The life of one job, as a model for spin: what runs, people, HaRP, the clock and failovers of the
 * database can do to it, in every order. tests/model/run.sh searches all of it, then removes one guard
 * after the other and expects to be shown what goes wrong without; `run.sh --story NO_CONFIRM` tells it.
 *
 * What is in it
 *
 * - One row of harpsweep.job: state, next_at, not_before, attempts, claim_token, end_wanted. Each SQL
 *   statement is one step: row locks order them, and each is a transaction or may be taken for one.
 * - RUNS claims that a run remembers at the same time, from the moment it is sent until its result is
 *   recorded. Each is told as a run of its own, because it does not matter which are of the same one:
 *   every claim has another token. (So one run may hold the row twice, which a failover makes possible.)
 *   A run may be killed between any two steps; its place is then free for a new one. SIGSTOP, a slow
 *   network and a database that is away need no steps of their own: any step may wait for ever.
 * - What is said to the database happens; or not; or it happens and the answer is lost; or it happens
 *   when the run that said it is dead or no longer waits.
 * - A delete takes effect at any moment within its HTTP limit, or never, also when its run was killed or
 *   stopped waiting; its answer arrives or does not.
 * - People: keep and cancel, make_due, retry, and schedule() over the open row, at any time, any number
 *   of times. With a schedule() the image may have been pulled again.
 * - Failovers, any number of them, to a standby that lacks the last commits, whatever they were, of up to
 *   one unit of time. Runs go on with what they know; what was under way to the database is lost.
 * - Time, in units. All times are "units from now", so time has no end. A unit is longer than
 *   SWEEP_CONFIRMED_MS: a word of the database of this unit is fresh, an older one is not. LEASE and HTTP
 *   are 4 and 1 units: the least with which each guard has something to do. No time is set aside for
 *   recording and no margin (CONF_LEASE_RECORD_MS, CONF_LEASE_MARGIN_MS): they make results count that
 *   would be late, and nothing below depends on them.
 * - Tokens as what they are for: whether the row's is that of a claim (`owns`). Numbers of attempts only
 *   with -DATTEMPTS=n, and then no more claims than that: they change with the token and never without,
 *   so that whoever has the row's token has its attempt (the spare NO_…ATTEMPT… of run.sh). Without,
 *   the row is claimed any number of times.
 *
 * What is left out or lumped together; where it matters, so that more can happen here than in reality:
 * kept and cancelled are one state, so are removed, untagged and absent, and failed, in_use and
 * unsupported; failures, rechecks and lost_claims are not counted, their limits may be reached at any
 * time; an inspect is time that passes, and may end the attempt; an answer of the database arrives with
 * the commit, and what would wait for it waits by itself. The clocks of database and hosts run alike, and
 * an old primary is dead. Other rows, the gates of daemons, the guards' reasons and batches are not in it.
 *
 * What is guaranteed, then. Each is an assertion of this name:
 *
 *   starts_on_its_claim  A delete starts only while its own claim is the row's: not for a row that is
 *                        final, waits, or is another claim's. (end_wanted may stand on it.)
 *   spares_the_ended     No delete starts for a row that says kept or cancelled: after keep() or cancel()
 *                        returned true.
 *   starts_informed      Where its claim does not stand any more, or end_wanted was set, a delete is begun
 *                        all the same for SWEEP_CONFIRMED_MS after that at most. (It starts, with its first
 *                        byte, when HaRP has taken the connection.)
 *   starts_within_lease  A delete starts so early that its HTTP limit ends before its lease does. (Seen
 *                        while the claim is the row's; a run looks at the same clock when it is not.)
 *   starts_after_grace   A delete starts after its row's not_before.
 *   starts_alone         While a delete starts, no other one of the job is under way: was sent, is within
 *                        its HTTP limit, and its run still waits for it or was killed.
 *   records_its_claim    A result changes a row only while the very claim is the row's that led to it.
 *   records_the_truth    No row says that the image is deleted before it is, and none that takes the
 *                        result of a delete says anything else.
 *   grants_wishes        Where keep() or cancel() returned false because a run works on the row, that
 *                        attempt deletes the image, or the row becomes kept or cancelled. Nothing else
 *                        is tried first.
 *   tells_the_late       A run is told that its result stands already only where it does.
 *   loses_no_row         A row is final or has a due time that comes.
 *
 * The first two, starts_after_grace and starts_alone have an exception: a claim that schedule() voided
 * while it was live, or whose commit a failover lost. Its run cannot know, and for SWEEP_CONFIRMED_MS it
 * may begin its delete, whatever the row says meanwhile (`excused`). Where a failover lost the schedule()
 * which told of an image that was pulled again, and so gave a claim its row back, records_the_truth holds
 * for the image that was deleted before.
 *
 * Limits that are known are switches too; run.sh shows a counterexample for each:
 *
 *   FOUND_ENDED_AFTER_SCHEDULE  That exception, for spares_the_ended: schedule() over a live claim makes
 *                        the row pending, so keep() returns true at once, and the delete starts.
 *   FOUND_ENDED_AFTER_FAILOVER  The same where a failover lost the claim.
 *   FOUND_ENDED_IMAGE_GONE  A row says kept or cancelled although its image was deleted: the answer was
 *                        lost, or the run died, and the wish was granted without knowing.
 */

#ifndef RUNS
#define RUNS 2
#endif
#ifndef LEASE
#define LEASE 4 /* [run] lease */
#endif
#ifndef HTTP
#define HTTP 1 /* [harp] timeout */
#endif
#define GRACE 1 /* a grace that has not ended */
#define LATER 1 /* a backoff, or in_use_recheck_hours */

/* Which invariants are looked at: all, unless -DNAME=1 says that this one holds anyway. */
#ifndef starts_on_its_claim
#define starts_on_its_claim 0
#endif
#ifndef spares_the_ended
#define spares_the_ended 0
#endif
#ifndef starts_informed
#define starts_informed 0
#endif
#ifndef starts_within_lease
#define starts_within_lease 0
#endif
#ifndef starts_after_grace
#define starts_after_grace 0
#endif
#ifndef starts_alone
#define starts_alone 0
#endif
#ifndef records_its_claim
#define records_its_claim 0
#endif
#ifndef records_the_truth
#define records_the_truth 0
#endif
#ifndef grants_wishes
#define grants_wishes 0
#endif
#ifndef tells_the_late
#define tells_the_late 0
#endif
#ifndef loses_no_row
#define loses_no_row 0
#endif

/* For `run.sh --story`: what happens, in words. */
#ifdef STORY
#define hidden /* cannot be together with -DBFS */
#define say(text)         printf(text)
#define say_run(text, i)  printf("run %d: ", i); printf(text)
#else
#define say(text)
#define say_run(text, i)
#endif

/* ------------------------------------------------------------------ the guards, one switch each */

/* sweep_claim.c, sweep_adopt(): start_by_ms = sent_at + lease - timeout - … */
#ifdef START_BY_WITHOUT_HTTP
#define START_BY LEASE
#else
#define START_BY (LEASE - HTTP)
#endif

/* sweep_job.c, sweep_start_job(): now >= start_by_ms gives the job back. */
#ifdef NO_START_BY
#define in_time(i) true /* (the promises are may_be_sent's to keep: this spares a request) */
#else
#define in_time(i) (left[i] > 0)
#endif

/* http_curl.c, http_on_send(): the last look at the clock, right before the first byte. Between the
 * decision and it a connection may have to be made, and the machine or the process may stand still. */
#ifdef NO_SEND_BY
#define may_be_sent(i) true
#else
#define may_be_sent(i) (left[i] > 0)
#endif

/* sweep_job.c, sweep_needs_word(): a word older than SWEEP_CONFIRMED_MS is asked for again. (Where
 * Nextcloud is watched it must be younger and must have been about the image: less can happen.) */
#ifdef NO_CONFIRM
#define is_fresh(i) true
#else
#define is_fresh(i) fresh[i]
#endif

/* jobs.c, jobs_claim_token(): no two claims have the same. With one for all claims of a run (here: of
 * all runs that live; a counter for all would be worse still), only the attempt tells them apart. */
#ifdef TOKEN_OF_RUN
#define has_token(i) ours
#else
#define has_token(i) owns[i]
#endif

/* record.sql, gone and other: token, attempts and state must all be the claim's. */
#ifdef NO_TOKEN_CHECK
#define record_token(i) true
#else
#define record_token(i) has_token(i)
#endif
#ifdef NO_ATTEMPT_CHECK
#define record_attempt(i) true
#else
#define record_attempt(i) same_attempt(i)
#endif
#ifdef NO_STATE_CHECK
#define record_state true
#else
#define record_state (state == CLAIMED)
#endif
/* confirm.sql: the same three, and no end wanted. */
#ifdef NO_CONFIRM_TOKEN
#define confirm_token(i) true
#else
#define confirm_token(i) has_token(i)
#endif
#ifdef NO_CONFIRM_ATTEMPT
#define confirm_attempt(i) true
#else
#define confirm_attempt(i) same_attempt(i)
#endif
#ifdef NO_CONFIRM_STATE
#define confirm_state true
#else
#define confirm_state (state == CLAIMED)
#endif
#ifdef NO_CONFIRM_WISH
#define confirm_wish true
#else
#define confirm_wish (!end_wanted)
#endif
#define counts(i)   (record_state && record_token(i) && record_attempt(i))
#define confirms(i) (confirm_state && confirm_token(i) && confirm_attempt(i) && confirm_wish)
/* record.sql, outcome: already. */
#define seems_known(i) (state != CLAIMED && record_token(i) && record_attempt(i))

/* claim.sql, picked: next_at <= now(), not_before <= now(). */
#ifdef NO_DUE_CHECK
#define is_due true
#else
#define is_due (next_at == 0)
#endif
#ifdef NO_NOT_BEFORE
#define grace_is_over true
#else
#define grace_is_over (not_before == 0)
#endif
/* claim.sql, claimed: next_at = now() + lease. */
#ifdef NO_LEASE_IN_CLAIM
#define LEASE_OF_CLAIM 0
#else
#define LEASE_OF_CLAIM LEASE
#endif
/* claim.sql, picked: end_wanted before anything else. */
#ifdef NO_WISH_IN_CLAIM
#define wish_in_claim false
#else
#define wish_in_claim end_wanted
#endif
/* record.sql, other: end_wanted before anything but what is gone, */
#ifdef NO_WISH_IN_RECORD
#define wish_in_record false
#else
#define wish_in_record end_wanted
#endif
/* which is an update of its own. */
#ifdef WISH_BEFORE_GONE
#define gone_wins false
#else
#define gone_wins true
#endif

/* claim.sql, planned, and functions.sql, note_job(): next_at is not_before. */
#ifdef NO_DUE_AT_GRACE
#define due_at_grace 0
#else
#define due_at_grace not_before
#endif
/* record.sql, other: next_at = greatest(not_before, …). */
#ifdef NO_GREATEST
#define not_earlier(delay) delay
#else
#define not_earlier(delay) (not_before > delay -> not_before : delay)
#endif

/* functions.sql, end_jobs(): a wish, while a claim lives. */
#ifdef NO_END_WANTED
#define claim_lives false
#else
#define claim_lives (state == CLAIMED && next_at > 0)
#endif
/* functions.sql, make_due(): not while it is claimed. */
#ifdef NO_BUSY_CHECK
#define may_be_made_due open
#else
#define may_be_made_due (state == NEW || state == PENDING)
#endif

/* ------------------------------------------------------------------ what is known, see above */

#ifdef FOUND_ENDED_AFTER_SCHEDULE
#define excused_from_end(i) (excused[i] == BY_FAILOVER)
#else
#ifdef FOUND_ENDED_AFTER_FAILOVER
#define excused_from_end(i) (excused[i] == BY_SCHEDULE)
#else
#define excused_from_end(i) excused[i]
#endif
#endif

/* ------------------------------------------------------------------ the row */

/* Open: NEW, PENDING, CLAIMED. */
#define NEW     0
#define PENDING 1
#define CLAIMED 2
#define DONE    3 /* removed, untagged, absent */
#define FAILED  4 /* failed, in_use, unsupported */
#define ENDED   5 /* kept, cancelled */
#define open    (state <= CLAIMED)

#define NEVER 15 /* next_at: null */

byte state = NEW;
byte next_at;    /* units from now; 0: due */
byte not_before; /* units from now; 0: the grace is over, or not known yet */
bit end_wanted;
#ifdef ATTEMPTS
byte attempts;
#endif
#ifdef TOKEN_OF_RUN
bit ours; /* claim_token is that of the living */
#endif
/* claim_token: whether it is that of a claim is among what the runs have, owns[]. */

/* Only the model knows: */
bit wish; /* keep() or cancel() returned false */

/* What a standby has: the row before the last commits. */
bit lags;
byte old_state, old_next_at, old_not_before;
bit old_end_wanted, old_wish;
bit old_owns[RUNS];
#ifdef ATTEMPTS
byte old_attempts;
#endif
#ifdef TOKEN_OF_RUN
bit old_ours;
#endif

/* ------------------------------------------------------------------ HaRP and Docker */

bit image = 1;
byte lingers; /* a delete for which nobody waits takes effect in less than so many units, or never */

/* ------------------------------------------------------------------ the runs */

#define IDLE      0
#define CLAIMING  1 /* the claim was sent */
#define READY     2 /* in the queue: inspected, or about to be */
#define ASKED     3 /* sweep->confirming */
#define FLYING    4 /* the delete was sent */
#define ANSWERED  5 /* the image is gone and the answer says so */
#define OVER      6 /* the HTTP limit has passed: no answer, no effect */
#define ORPHANED  7 /* FLYING, but the run was killed */
#define RECORDING 8 /* the result waits to be recorded */
#define DECIDED   9 /* the delete was begun: libcurl connects */
#define TAKEN    10 /* CLOCK_AFTER_CLAIM: the claim is committed, its answer on the way */
#define TOLD     11 /* CLOCK_AFTER_CONFIRM: the same of a confirmation */
#define BLOCKED  12 /* RECONNECT_AFTER_LOOK: sweep_db_reconnect() */
byte job[RUNS];
bit owns[RUNS];  /* the row's token is this claim's */
byte left[RUNS]; /* until start_by_ms; of a delete that was sent, until its HTTP limit */
bit fresh[RUNS]; /* confirmed_ms is of this unit */
#ifdef ATTEMPTS
byte job_attempt[RUNS];
#endif
/* Only the model knows: */
bit voided[RUNS]; /* when this unit began, the claim did not stand */
byte excused[RUNS];
#define BY_SCHEDULE 1
#define BY_FAILOVER 2
bit counted[RUNS];  /* the result was recorded, and the answer was lost */
byte earlier[RUNS]; /* it deleted the image before this one */
#define PULLED_AGAIN 1
#define GIVEN_BACK   2 /* and a failover lost the schedule() that told so */

/* The result that waits to be recorded. */
byte result[RUNS];
#define NOTHING 0
#define GONE    1 /* done, and removed, untagged or absent */
#define NOT     2 /* wait, hold, retry, fail, and done where it is unsupported */
#define RELEASE 3

hidden byte temporary, other;
hidden byte was_its_claim;
#ifdef CLOCK_STOPS
hidden byte slept;
#endif

#ifdef ATTEMPTS
#define same_attempt(i) (attempts == job_attempt[i])
#define may_be_claimed  (attempts < ATTEMPTS)
#else
#define same_attempt(i) true
#define may_be_claimed  true
#endif

#define holds(i) (job[i] >= READY && job[i] != RECORDING)
#define may_begin(i) (job[i] == READY || job[i] == ASKED || job[i] == TOLD || job[i] == BLOCKED)
#define is_its_claim(i) (state == CLAIMED && owns[i])
#define stands(i) (is_its_claim(i) && !end_wanted)

/* claim_token = null, or that of a claim which nobody remembers. */
inline clear_token()
{
    other = 0;
    do
    :: other < RUNS ->
        owns[other] = 0;
        other++
    :: else -> break
    od;
#ifdef TOKEN_OF_RUN
    ours = 0;
#endif
    other = 0
}

/* 001_job.sql: job_open_exactly_with_next_at. */
inline check_row()
{
    assert(loses_no_row || (open == (next_at != NEVER) && (!open || next_at <= LEASE)));
    assert(grants_wishes || !wish || (state == CLAIMED && end_wanted));
#ifdef FOUND_ENDED_IMAGE_GONE
    assert(state != ENDED || image)
#endif
}

inline end_row(final)
{
    state = final;
    next_at = NEVER;
    end_wanted = 0;
    wish = 0
}

/* claim.sql, ended: a result that comes after all is told that it is late. */
inline end_without_result(final)
{
    d_step {
        end_row(final);
#ifndef NO_TOKEN_CLEARED
        clear_token()
#endif
    }
}

/* claim.sql: sets temporary where the row was claimed. Whose token it is then, the caller says. */
inline claim()
{
    temporary = 0;
    if
    :: state == NEW -> /* planned */
        say("    the row gets its grace\n");
        state = PENDING;
        if
        :: not_before = GRACE
        :: skip
        fi;
        next_at = due_at_grace
    :: (state == PENDING || state == CLAIMED) && is_due && grace_is_over ->
        if
        :: wish_in_claim ->
            say("    the row becomes kept\n");
            end_without_result(ENDED)
        :: state == CLAIMED && !wish_in_claim -> /* lost_claims + 1 >= max_failures */
            say("    the row becomes failed: the runs died\n");
            end_without_result(FAILED)
        :: !wish_in_claim && may_be_claimed ->
            say("    the row is claimed\n");
            d_step {
                state = CLAIMED;
                next_at = LEASE_OF_CLAIM;
#ifdef ATTEMPTS
                attempts++;
#endif
                clear_token();
                end_wanted = 0;
                temporary = 1
            }
#ifdef ATTEMPTS
        :: state == PENDING && !may_be_claimed
#endif
        fi
    :: else
    fi;
    check_row()
}

/* record.sql, of a result that counts */
inline record(i)
{
    assert(records_its_claim || is_its_claim(i));
    if
    :: result[i] == GONE && (gone_wins || !end_wanted) ->
        assert(records_the_truth || !image || earlier[i] == GIVEN_BACK);
        end_row(DONE)
    :: (result[i] != GONE || !gone_wins) && wish_in_record -> end_row(ENDED)
    :: result[i] == NOT && !wish_in_record -> end_row(FAILED)
    :: result[i] == NOT && !wish_in_record ->
        state = PENDING;
#ifdef NO_NEXT_AT
        next_at = NEVER;
#else
        next_at = not_earlier(LATER);
#endif
        end_wanted = 0
#ifdef UNSUPPORTED_BEFORE_WISH /* as one more state that wins, like those of gone */
    :: result[i] == NOT && end_wanted ->
        state = FAILED;
        next_at = NEVER;
        end_wanted = 0
#endif
    :: result[i] == RELEASE && !wish_in_record ->
        state = PENDING;
        next_at = not_earlier(0);
        end_wanted = 0
    fi;
    assert(records_the_truth || result[i] != GONE || state == DONE);
    check_row()
}

/* ------------------------------------------------------------------ what a run does */

inline erase(i)
{
    job[i] = IDLE;
    owns[i] = 0;
    old_owns[i] = 0;
    left[i] = 0;
    fresh[i] = 0;
#ifdef ATTEMPTS
    job_attempt[i] = 0;
#endif
    voided[i] = 0;
    excused[i] = 0;
    counted[i] = 0;
    earlier[i] = 0;
    result[i] = NOTHING
}

inline forget(i)
{
    d_step { erase(i) }
}

/* sweep_job.c, sweep_end_job() */
inline end_job(i, action)
{
    d_step {
        job[i] = RECORDING;
        result[i] = action;
        left[i] = 0;
        fresh[i] = 0;
        voided[i] = 0;
        excused[i] = 0;
        earlier[i] = (action == GONE -> earlier[i] : 0)
    }
}

/* Nobody waits for its answer any more; what was sent may still be carried out. */
inline let_linger(i)
{
    if
    :: job[i] == FLYING && image && lingers < left[i] + 1 -> lingers = left[i] + 1
    :: else
    fi
}

inline delete_image()
{
    image = 0;
    lingers = 0;
#ifdef FOUND_ENDED_IMAGE_GONE
    assert(state != ENDED)
#endif
}

/* The first byte of a delete. */
inline start_delete(i)
{
    d_step {
        other = 0;
        say_run("sends the delete\n", i);
        assert(starts_on_its_claim || is_its_claim(i) || excused[i]);
        assert(spares_the_ended || state != ENDED || excused_from_end(i));
        assert(starts_within_lease || !is_its_claim(i) || next_at > HTTP);
        assert(starts_after_grace || !is_its_claim(i) || not_before == 0);
        do
        :: other < RUNS ->
            assert(starts_alone || (job[other] != FLYING && job[other] != ORPHANED) || excused[other] ||
                   excused[i]);
            other++
        :: else -> break
        od;
        other = 0;
        job[i] = FLYING;
        left[i] = HTTP;
        fresh[i] = 0;
        voided[i] = 0
    }
}

/* Runs are alike: with their contents in order, one state stands for up to six. */
#ifdef ATTEMPTS
#define weight_of_attempt(i) job_attempt[i]
#else
#define weight_of_attempt(i) 0
#endif
#define weight(i)                                                                                  \
    (job[i] + 16 * (left[i] + 8 * (result[i] + 4 * (owns[i] + 2 * (old_owns[i] + 2 * (fresh[i] +   \
    2 * (voided[i] + 2 * (excused[i] + 4 * (counted[i] + 2 * (earlier[i] + 4 *                     \
    weight_of_attempt(i)))))))))))
#define exchange(field, a, b) temporary = field[a]; field[a] = field[b]; field[b] = temporary

inline order(a, b)
{
    if
    :: weight(a) > weight(b) ->
        exchange(job, a, b);
        exchange(owns, a, b);
        exchange(old_owns, a, b);
        exchange(left, a, b);
        exchange(fresh, a, b);
#ifdef ATTEMPTS
        exchange(job_attempt, a, b);
#endif
        exchange(voided, a, b);
        exchange(excused, a, b);
        exchange(counted, a, b);
        exchange(earlier, a, b);
        exchange(result, a, b)
    :: else
    fi
}

inline order_runs()
{
    d_step {
#ifndef UNSORTED
#if RUNS > 1
        order(0, 1);
#endif
#if RUNS > 2
        order(1, 2);
        order(0, 1);
#endif
#if RUNS > 3
        order(2, 3);
        order(1, 2);
        order(0, 1);
#endif
#endif
        temporary = 0
    }
}

proctype Run(byte i)
{
    do
    :: atomic {
        if
        /* sweep_ask.c, sweep_add_claim(). The clock is read before the claim is sent: db_sent_at(). */
        :: job[i] == IDLE && open ->
            say_run("sends a claim\n", i);
            job[i] = CLAIMING;
            left[i] = START_BY;
            fresh[i] = 1

        /* sweep_claim.c, sweep_adopt(): db.c tells of a claim only when it is committed. */
        :: job[i] == CLAIMING ->
            say_run("its claim happens\n", i);
            claim();
            if
            :: temporary == 1 ->
                owns[i] = 1;
#ifdef TOKEN_OF_RUN
                ours = 1;
#endif
#ifdef ATTEMPTS
                job_attempt[i] = attempts;
#endif
#ifdef CLOCK_AFTER_CLAIM
                job[i] = TAKEN
#else
                job[i] = READY
#endif
            :: else -> forget(i)
            fi
#ifdef CLOCK_AFTER_CLAIM
        :: job[i] == TAKEN ->
            say_run("learns what it claimed\n", i);
            job[i] = READY;
            left[i] = START_BY;
            fresh[i] = 1
#endif
#ifdef NO_COMMIT_WAIT
        :: job[i] == CLAIMING && state == PENDING && next_at == 0 ->
            say_run("its claim is rolled back, but it takes the job\n", i);
            job[i] = READY
#endif

        /* The claim does not arrive, or the run no longer waits for it. */
        :: job[i] == CLAIMING ->
            say_run("no longer waits for its claim\n", i);
            forget(i)

        /* sweep_job.c, sweep_start_job(), from top to bottom. Given back: its turn came too late, its
         * daemon was stopped, the run ends. */
        :: job[i] == READY ->
            say_run("gives the job up\n", i);
            end_job(i, RELEASE)
        :: job[i] == READY && in_time(i) && !is_fresh(i) ->
            say_run("asks whether its claim still stands\n", i);
            job[i] = ASKED;
            fresh[i] = 1
        :: job[i] == READY && in_time(i) && is_fresh(i) ->
#ifdef RECONNECT_AFTER_LOOK /* sweep.c, sweep_loop(): it comes before, because it may block */
            job[i] = BLOCKED
        :: job[i] == BLOCKED ->
#endif
            say_run("begins the delete\n", i);
            d_step {
                assert(starts_informed || stands(i) || !voided[i]);
                job[i] = DECIDED;
                fresh[i] = 0;
                voided[i] = 0
            }
        :: job[i] == DECIDED && may_be_sent(i) -> start_delete(i)
        :: job[i] == DECIDED -> /* HTTP_LATE; or HaRP cannot be reached, which may count */
            say_run("its delete is not sent\n", i);
            if
            :: end_job(i, NOT)
            :: end_job(i, RELEASE)
            fi

        /* What claim.sql, the inspect or confirm.sql says of the image ends the attempt. */
        :: job[i] == READY ->
            say_run("something speaks against the delete\n", i);
            end_job(i, NOT)

        /* confirm.sql, and sweep_claim.c, sweep_confirmed() */
        :: job[i] == ASKED && confirms(i) ->
            say_run("is told that its claim stands\n", i);
#ifdef CLOCK_AFTER_CONFIRM
            job[i] = TOLD;
            voided[i] = (voided[i] && !stands(i))
        :: job[i] == TOLD ->
            say_run("and hears it\n", i);
            job[i] = READY;
            fresh[i] = 1
#else
            job[i] = READY;
            voided[i] = (voided[i] && !stands(i))
#endif
        :: job[i] == ASKED && !stands(i) ->
            say_run("is told that its claim does not stand\n", i);
            end_job(i, RELEASE)
        :: job[i] == ASKED -> /* the answer was lost: sweep_take_back() */
            say_run("the confirmation is lost\n", i);
            job[i] = READY;
            fresh[i] = 0

        /* HaRP deletes the image, or finds it gone. */
        :: job[i] == FLYING ->
            say_run("its delete takes effect\n", i);
            delete_image();
            job[i] = ANSWERED;
            left[i] = 0
        :: job[i] == ORPHANED ->
            say_run("is dead, and its delete takes effect\n", i);
            delete_image();
            forget(i)
        :: job[i] == ANSWERED ->
            say_run("is told that the image is gone\n", i);
            end_job(i, GONE)
        /* HaRP refuses: in use, or an error. */
        :: job[i] == FLYING ->
            say_run("is told that the image was not deleted\n", i);
            end_job(i, NOT)
        /* The answer was lost, or cannot be understood, or the limit has passed, or the run ends. */
        :: job[i] >= FLYING && job[i] <= OVER ->
            say_run("no longer waits for an answer\n", i);
            let_linger(i);
            if
#ifdef SILENCE_IS_DONE
            :: end_job(i, GONE)
#endif
            :: end_job(i, NOT)
            :: end_job(i, RELEASE)
            fi

        /* sweep_record.c, sweep_recorded() */
        :: job[i] == RECORDING && counts(i) ->
            say_run("records its result\n", i);
            record(i);
            if
            :: forget(i)
            :: counted[i] = 1;
                say("    and the answer is lost\n")
            fi
        :: job[i] == RECORDING && !counts(i) ->
            say_run("is told that its result stands already, or comes late\n", i);
            assert(tells_the_late || !seems_known(i) || counted[i]);
            forget(i)

        /* SIGKILL */
        :: job[i] != IDLE && job[i] != ORPHANED ->
            say_run("is killed\n", i);
            if
            :: job[i] == FLYING -> job[i] = ORPHANED
            :: else -> forget(i)
            fi
        fi;
        order_runs()
    }
    od
}

/* ------------------------------------------------------------------ everything else */

inline pass(time)
{
    time = (time > 0 -> time - 1 : 0)
}

inline forget_standby()
{
    lags = 0;
    old_state = 0;
    old_next_at = 0;
    old_not_before = 0;
#ifdef ATTEMPTS
    old_attempts = 0;
#endif
#ifdef TOKEN_OF_RUN
    old_ours = 0;
#endif
    old_end_wanted = 0;
    old_wish = 0;
    other = 0;
    do
    :: other < RUNS ->
        old_owns[other] = 0;
        other++
    :: else -> break
    od;
    other = 0
}

inline excuse(i, why)
{
#ifdef FOUND_ENDED_AFTER_SCHEDULE
    excused[i] = why
#else
#ifdef FOUND_ENDED_AFTER_FAILOVER
    excused[i] = why
#else
    excused[i] = 1
#endif
#endif
}

proctype World()
{
    byte i;

    do
    :: atomic {
        if
        /* Time. The clock of a run counts suspend: CLOCK_BOOTTIME. */
        :: true ->
            say("time passes\n");
#ifdef CLOCK_STOPS
            if
            :: slept = 0
            :: slept = 1;
                say("    but not on the host of the runs, which is suspended\n")
            fi;
#endif
            d_step {
                do
                :: i < RUNS ->
                    voided[i] = (may_begin(i) && !stands(i));
                    if
                    :: job[i] == FLYING && left[i] == 0 -> job[i] = OVER
                    :: job[i] == ORPHANED && left[i] == 0 -> erase(i)
                    :: else
                    fi;
#ifdef CLOCK_STOPS
                    if
                    :: slept == 1 && job[i] < FLYING
                    :: else ->
                        pass(left[i]);
                        fresh[i] = 0
                    fi;
#else
                    pass(left[i]);
                    fresh[i] = 0;
#endif
                    i++
                :: else -> break
                od;
                i = 0;
                if
                :: next_at != NEVER -> pass(next_at)
                :: else
                fi;
                pass(not_before);
                pass(lingers);
                forget_standby()
            }

        /* A claim that commits when its run is dead; or the run dies before it knows. */
        :: open && next_at == 0 ->
            say("the claim of a run that is dead, or no longer waits for it, happens\n");
            claim()

        /* functions.sql, end_jobs(): keep(), keep_job(), cancel(), cancel_daemon(). */
        :: open && !(claim_lives && wish) ->
            if
            :: claim_lives ->
                say("keep() returns false: it is being worked on\n");
                end_wanted = 1;
                wish = 1
            :: else ->
                say("keep() returns true\n");
                d_step {
                    end_row(ENDED);
                    clear_token()
                }
            fi;
            check_row()

        /* functions.sql, make_due(), flush_daemon(); nextcloud.sql, freeze_endpoint() */
        :: may_be_made_due && (state == NEW || next_at > 0) ->
            say("make_due()\n");
            state = PENDING;
            not_before = 0;
            next_at = 0;
            check_row()
        /* nextcloud.sql, appapi_job_gone() */
        :: state == PENDING && next_at != LATER ->
            say("appapi_job_gone()\n");
            next_at = LATER;
            not_before = (not_before < LATER -> not_before : LATER);
            check_row()

        /* functions.sql, retry() */
        :: state == FAILED || state == ENDED ->
            say("retry()\n");
            if
            :: state = PENDING;
                next_at = not_before
            :: state = NEW;
                next_at = 0
            fi;
            d_step { clear_token() }
            check_row()

        /* functions.sql, note_job(): schedule() over the open row; nextcloud.sql, note_appapi_job(). */
        :: open ->
            say("schedule() over the open row\n");
            if
            :: image = 1;
                say("    the image was pulled again\n");
                d_step {
                    do
                    :: i < RUNS ->
                        if
                        :: (job[i] == ANSWERED || result[i] == GONE) && earlier[i] == 0 ->
                            earlier[i] = PULLED_AGAIN
                        :: else
                        fi;
                        i++
                    :: else -> break
                    od;
                    i = 0
                }
            :: skip
            fi;
#ifdef NO_MERGE_VOID /* the claim stays */
            if
            :: state == CLAIMED ->
                not_before = GRACE;
                next_at = (next_at > GRACE -> next_at : GRACE)
            :: else
            fi;
#else
            d_step {
                do
                :: i < RUNS ->
                    if
                    :: holds(i) && is_its_claim(i) && next_at > 0 -> excuse(i, BY_SCHEDULE)
                    :: else
                    fi;
                    i++
                :: else -> break
                od;
                i = 0;
                clear_token();
                end_wanted = 0;
                wish = 0
            };
#ifdef MERGE_RESETS_ATTEMPTS
            attempts = 0;
#endif
            if
            :: state = PENDING;
                say("    choice now\n");
                not_before = 0;
                next_at = 0
            :: state = PENDING;
                say("    with a grace\n");
                not_before = GRACE;
                next_at = due_at_grace
            :: state = NEW;
                say("    with the settings' grace\n");
                next_at = 0
            fi;
#endif
            check_row()

        :: lingers > 0 ->
            say("a delete for which nobody waits takes effect\n");
            delete_image()

#ifndef NO_FAILOVER
        :: !lags ->
            say("the standby lags from here on\n");
            d_step {
                lags = 1;
                old_state = state;
                old_next_at = next_at;
                old_not_before = not_before;
#ifdef ATTEMPTS
                old_attempts = attempts;
#endif
#ifdef TOKEN_OF_RUN
                old_ours = ours;
#endif
                old_end_wanted = end_wanted;
                old_wish = wish;
                do
                :: i < RUNS ->
                    old_owns[i] = owns[i];
                    i++
                :: else -> break
                od;
                i = 0
            }
        :: lags ->
            say("failover: what was committed since then is lost\n");
            d_step {
                do
                :: i < RUNS ->
                    was_its_claim = is_its_claim(i);
                    earlier[i] = (earlier[i] == PULLED_AGAIN && old_owns[i] && !owns[i] -> GIVEN_BACK : earlier[i]);
                    owns[i] = old_owns[i];
                    if
                    :: job[i] == CLAIMING -> erase(i)
                    :: job[i] == ASKED ->
                        job[i] = READY;
                        fresh[i] = 0
                    :: else
                    fi;
                    if
                    :: holds(i) && was_its_claim && !(old_state == CLAIMED && owns[i]) -> excuse(i, BY_FAILOVER)
                    :: old_state == CLAIMED && owns[i] ->
                        excused[i] = 0;
                        counted[i] = 0
                    :: else
                    fi;
                    i++
                :: else -> break
                od;
                i = 0;
                was_its_claim = 0;
                state = old_state;
                next_at = old_next_at;
                not_before = old_not_before;
#ifdef ATTEMPTS
                attempts = old_attempts;
#endif
#ifdef TOKEN_OF_RUN
                ours = old_ours;
#endif
                end_wanted = old_end_wanted;
                wish = old_wish;
                forget_standby();
                check_row()
            }
#endif
        fi;
        order_runs()
    }
    od
}

init
{
    atomic {
        byte i;

        do
        :: i < RUNS ->
            run Run(i);
            i++
        :: else -> break
        od;
        i = 0;
        run World()
    }
}

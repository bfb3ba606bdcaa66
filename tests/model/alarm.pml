/*
 * The alarm (harpsweep.alarm), as a model for spin: whether a run that asks it first could ever leave a job
 * alone that is due. tests/model/run.sh searches all of it, and removes its guards as it does with job.pml.
 *
 * What is in it
 *
 * - One job, as what others can see of it: when it is due, or that it is not open. (What an alarm is for one
 *   job has nothing to do with the others: each needs one that rings by its own time. And an app of
 *   Nextcloud's is such a job: due at once from its change until it was looked at.)
 * - Whoever changes the job: one transaction after the other, as the row's lock has it; what it does is seen
 *   when it commits, some time later, or never. A trigger adds an alarm in that transaction where the job
 *   becomes due earlier. A run's claim takes what is due and makes it due since ever, without an alarm.
 * - SETTERS runs that leave nothing due: each takes a snapshot, removes the alarms that it sees, waiting for
 *   whoever is removing the same one, adds one for what it saw, and commits some time later, or never.
 * - Time, up to LAST.
 *
 * What is guaranteed:
 *
 *   hears_of_the_job     Where there is an alarm at all, one rings by the time at which the job is due, or by now.
 *                        (Where there is none, a run looks.)
 *
 * That clocks step back, and triggers that are passed by, are not in it: for these an alarm is never
 * further away than an hour.
 */

#ifndef SETTERS
#define SETTERS 2
#endif
#ifdef STORY
#define say(text, value) printf(text, value)
#else
#define say(text, value)
#endif
#define LAST 2
#define NOT_OPEN 9 /* later than everything */
#define ROWS 3

mtype = { FREE, ADDED, SEEN_BY_ALL };

byte now = 0;
byte due = NOT_OPEN; /* of the job, as committed */

mtype row[ROWS] = FREE; /* of the table alarm: ADDED until its transaction commits */
byte rings_at[ROWS];
byte removing[ROWS]; /* the setter that has removed it and has not committed; 0: none */
bool sees[SETTERS * ROWS]; /* in whose snapshot it is */

/* Any row that is free will do; ROWS: there is none left, and whoever needs one does nothing. */
inline find_free(at) {
    at = 0;
    do
    :: at < ROWS && row[at] != FREE -> at++
    :: else -> break
    od
}

#define rings(at, by) (row[at] == SEEN_BY_ALL && rings_at[at] <= by)
#define is_set(at) (row[at] == SEEN_BY_ALL)

inline check() {
    assert(due == NOT_OPEN ||
           !(is_set(0) || is_set(1) || is_set(2)) ||
           rings(0, due) || rings(1, due) || rings(2, due) ||
           rings(0, now) || rings(1, now) || rings(2, now));
}

/* People, Nextcloud, and what runs record: the row's lock lets one of them change it at a time. */
active proctype changer() {
    byte to;
    byte own;

    do
    :: atomic {
        find_free(own);
        if
        /* A run's claim: only what is due, so that an alarm has rung for it. */
#ifdef CLAIMS_EARLY
        :: due != NOT_OPEN ->
#else
        :: due <= now ->
#endif
            to = 0;
            own = ROWS;
            goto changed
        :: to = NOT_OPEN
        :: select(to : 0 .. LAST)
        fi;
        if
#ifndef NO_ALARM
        :: to < due && own == ROWS -> to = due
        :: to < due && own < ROWS ->
            rings_at[own] = to;
#ifdef ALARM_BY_ITSELF
            row[own] = SEEN_BY_ALL
#else
            row[own] = ADDED
#endif
#endif
        :: else -> own = ROWS
        fi
    };
changed:
    atomic {
        if
        :: due = to;
            say("the job is due at %d (9: not open)\n", to);
            if
            :: own < ROWS && row[own] == ADDED -> row[own] = SEEN_BY_ALL
            :: else
            fi;
            check()
        :: skip; /* rolled back */
            if
            :: own < ROWS && row[own] == ADDED -> row[own] = FREE; rings_at[own] = 0
            :: else
            fi
        fi;
        to = 0;
        own = 0
    }
    od
}

active [SETTERS] proctype setter() {
    byte me = _pid - 1;
    byte at = 0;
    byte seen;
    byte own;

    do
    :: atomic {
#ifdef TWO_SNAPSHOTS
        seen = due;
        say("a run sees that the job is due at %d\n", seen)
    };
    atomic {
#endif
        do
        :: at < ROWS -> sees[me * ROWS + at] = is_set(at); at++
        :: else -> at = 0; break
        od;
#ifndef TWO_SNAPSHOTS
        seen = due;
        say("a run sees that the job is due at %d, and the alarms\n", seen);
#endif
        if
        :: seen <= now -> goto nothing
        :: seen == now + 1
        :: seen > now + 1 -> seen = now + 1 /* an hour at most */
        fi
    };
    do
    :: atomic { at < ROWS && !sees[me * ROWS + at] -> at++ }
    :: atomic { at < ROWS && sees[me * ROWS + at] && removing[at] == 0 -> removing[at] = me + 1; at++ }
#ifdef SKIPS_LOCKED
    :: atomic { at < ROWS && sees[me * ROWS + at] && removing[at] != 0 -> at++ }
#endif
    :: atomic { at == ROWS -> at = 0; break }
    od;
    atomic {
        find_free(own);
        if
        :: own < ROWS -> row[own] = ADDED; rings_at[own] = seen
        :: else
        fi
    };
    atomic {
        if
        :: own < ROWS ->
            do
            :: at < ROWS -> if
                :: removing[at] == me + 1 -> /* whoever waits for it finds that it is gone */
                    row[at] = FREE;
                    removing[at] = 0;
                    rings_at[at] = 0;
                    sees[at] = false;
                    sees[(SETTERS - 1) * ROWS + at] = false
                :: else
                fi;
                at++
            :: else -> at = 0; break
            od;
            row[own] = SEEN_BY_ALL;
            say("in place of those that it saw, it has set an alarm for %d\n", rings_at[own]);
            check()
        :: skip; /* rolled back */
            do
            :: at < ROWS -> if
                :: removing[at] == me + 1 -> removing[at] = 0
                :: else
                fi;
                at++
            :: else -> at = 0; break
            od;
            if
            :: own < ROWS -> row[own] = FREE; rings_at[own] = 0
            :: else
            fi
        fi;
nothing:
        seen = 0;
        own = 0;
        do /* what does not matter any more would make states of its own */
        :: at < ROWS -> sees[me * ROWS + at] = false; at++
        :: else -> at = 0; break
        od
    }
    od
}

active proctype clock() {
    do
    :: atomic { now < LAST -> now++; say("it is %d\n", now); check() }
    od
}

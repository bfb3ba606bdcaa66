/*
 * What an answer means for a job and for its daemon: the tables of HaRP's
 * protocol (HaRP 0.4.4) as pure functions. No I/O, no clock, no memory.
 */
#ifndef HARPSWEEP_VERDICT_H
#define HARPSWEEP_VERDICT_H

#include "http.h"

#include <stdbool.h>
#include <stdint.h>

enum verdict_action {
    VERDICT_GO_ON, /* a gate or an inspect that says: next step */
    VERDICT_DONE,  /* the job is final, with `state` */
    VERDICT_WAIT,  /* an expected state: look again after in_use_recheck_hours, counted */
    VERDICT_HOLD,  /* a guard holds it: look again after in_use_recheck_hours, not counted */
    VERDICT_RETRY, /* a failure of this job that counts: back off */
    VERDICT_FAIL,  /* this job can never work */
    VERDICT_STOP,  /* nothing more to this daemon in this run; the job is given back for free */
};

/* Final states that a verdict can name; spelt as in harpsweep.job_state. */
enum verdict_state {
    VERDICT_NONE,
    VERDICT_REMOVED,
    VERDICT_UNTAGGED,
    VERDICT_ABSENT,
    VERDICT_UNSUPPORTED
};

/* Why a daemon is stopped: decides how long later runs leave it alone. */
enum verdict_stop {
    VERDICT_STOP_NONE,
    VERDICT_STOP_DOWN, /* refused, no answer, engine or tunnel down */
    VERDICT_STOP_TLS,
    VERDICT_STOP_UNAUTHORIZED, /* 401: a strike */
    VERDICT_STOP_SILENT,       /* a ban, or a stalled agent */
    VERDICT_STOP_TOO_OLD,
    VERDICT_STOP_NOT_HARP,
    VERDICT_STOP_CONFIGURATION,
    VERDICT_STOP_FORBIDDEN, /* Docker's authorization plugin */
};

struct verdict {
    enum verdict_action action;
    enum verdict_state state;
    enum verdict_stop stop;
    bool two_stop;       /* a RETRY; a second one in a row on this daemon stops it */
    int64_t bytes_freed; /* with VERDICT_REMOVED */
    int64_t image_size;  /* bytes; of an inspect that found the image */
    char image_id[72];   /* of an inspect that found it: which image that was; "" else */
    int64_t min_delay_s; /* a RETRY is not tried again before that */
    char reason[512];    /* in words, for last_error or hold_reason; "" where there is none.
                            Printable ASCII; never holds the key */
    char hint[256];      /* what an administrator can do about it; "" where nothing */
};

/* Answer of POST …/docker/exapp/image_remove. */
struct verdict verdict_of_removal(const struct http_answer *answer);

/* Answer of GET …/info (GO_ON or STOP, or RETRY with two_stop for a proxy's 5xx).
 * ret_version receives HaRP's version (32 bytes). */
struct verdict verdict_of_info(const struct http_answer *answer, char ret_version[32]);

/* What a job wants, for the guards that need Docker's inspect. */
struct verdict_job {
    const char *image_ref;
    const char *image_id;    /* recorded ID, or NULL */
    int64_t orphaned_at_ms;  /* milliseconds since 1970, the database's clock */
    bool by_id;              /* this inspect was of image_id, after the reference led elsewhere */
    bool explicit_now;       /* choice `now`: a person asked for it */
    bool protect_unpullable; /* setting */
};

/* What to do after an inspect said GO_ON. */
enum verdict_target {
    VERDICT_TARGET_REF,        /* delete the reference */
    VERDICT_TARGET_INSPECT_ID, /* the reference has moved on or is gone: inspect the recorded ID */
    VERDICT_TARGET_ID,         /* delete the recorded ID */
};

/* Answer of GET …/images/{ref or id}/json. With GO_ON, *ret_target says what is next. */
struct verdict verdict_of_inspect(const struct http_answer *answer, const struct verdict_job *job,
                                  enum verdict_target *ret_target);

/* Which image a container was made from. */
struct verdict_container {
    bool exists;
    char image_id[72];
    char image_ref[513]; /* what it was created from; valid by imageref_kind() */
    char status[16];     /* running, exited, … */
};

/* Answer of GET …/containers/NAME/json: GO_ON with what Docker told, or that there is none. */
struct verdict verdict_of_container(const struct http_answer *answer,
                                    struct verdict_container *ret_container);

/* "removed" … ; "" for VERDICT_NONE. */
const char *verdict_state_name(enum verdict_state state);

/* One word for a stop: "down", "tls", "unauthorized", "silent", "too_old", "not_harp",
 * "configuration", "forbidden"; "" for none. */
const char *verdict_stop_name(enum verdict_stop stop);

#endif

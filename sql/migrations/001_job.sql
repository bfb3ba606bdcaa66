-- Migration 1: the jobs, the runs, and what is known of each daemon.
-- Forward only. Functions, views and grants are not here: install.sql repeats
-- those at every installation.

create type harpsweep.job_state as enum (
    'new', 'pending', 'claimed',
    'removed', 'untagged', 'absent', 'in_use', 'kept', 'cancelled', 'failed', 'unsupported', 'no_ref');
comment on type harpsweep.job_state is
    'Open: new (grace not fixed yet), pending (waits for next_at), claimed (a run works on it). '
    'Final: removed (image deleted), untagged (its name is gone, another name holds the image), '
    'absent (was gone already), in_use (a container still uses it), kept, cancelled, failed (needs '
    'a person), unsupported (daemon without HaRP), no_ref (its image was never seen).';

-- What a text must look like is checked where it is set, and not, as a CHECK of the table would be, at
-- every change of its row: two of them make up the life of a job.
create domain harpsweep.name as text collate "C"
    constraint name_is_printable check (value ~ '^[^[:cntrl:]]{1,64}$');
comment on domain harpsweep.name is 'Name of a daemon or an app: 1 to 64 characters, no control characters.';
create domain harpsweep.image_ref as text collate "C"
    constraint image_ref_is_printable check (length(value) <= 512 and value !~ '[[:cntrl:]]');
comment on domain harpsweep.image_ref is 'Image reference: at most 512 characters, no control characters.';
create domain harpsweep.image_id as text collate "C"
    constraint image_id_is_a_sha256 check (value ~ '^sha256:[0-9a-f]{64}$');
comment on domain harpsweep.image_id is 'ID of an image: "sha256:" and 64 hex digits.';

create table harpsweep.job (
    id             bigint generated always as identity primary key,
    daemon         harpsweep.name not null,
    appid          harpsweep.name not null,
    image_ref      harpsweep.image_ref not null,
    image_id       harpsweep.image_id,
    event          text not null default 'manual',
    choice         text not null default 'grace',
    state          harpsweep.job_state not null default 'new',
    orphaned_at    timestamptz not null default now(),
    grace_hours    int,
    not_before     timestamptz,
    next_at        timestamptz default '-infinity',
    attempts       int not null default 0,
    failures       int not null default 0,
    rechecks       int not null default 0,
    lost_claims    int not null default 0,
    claim_token    uuid,
    claimed_by     text,
    claimed_at     timestamptz,
    end_wanted     harpsweep.job_state,
    hold_reason    text,
    protocol       text,
    host           text,
    docker_socket_port int,
    http_status    int,
    bytes_freed    bigint,
    last_error     text,
    duration_ms    bigint,
    finished_at    timestamptz,

    constraint job_without_image_ref_is_final check (
        case when image_ref = '' then state in ('no_ref', 'unsupported') else state <> 'no_ref' end),
    constraint job_event_is_known check (event in ('uninstall', 'update', 'manual', 'adopted')),
    constraint job_choice_is_known check (choice in ('grace', 'now', 'keep')),
    constraint job_grace_is_0_to_720_hours check (grace_hours between 0 and 720),
    constraint job_counts_are_not_negative check (
        attempts >= 0 and failures >= 0 and rechecks >= 0 and lost_claims >= 0),
    constraint job_port_is_a_port check (docker_socket_port between 1 and 65535),
    constraint job_bytes_are_not_negative check (bytes_freed >= 0),
    -- The life of a row. One column is due time, retry time and lease expiry, so that an open row
    -- always comes back by itself, and a final one never does.
    constraint job_open_exactly_with_next_at check (
        (state in ('new', 'pending', 'claimed')) = (next_at is not null)),
    constraint job_new_exactly_at_minus_infinity check (
        (state = 'new') = (next_at is not null and next_at = '-infinity')),
    constraint job_finished_exactly_when_final check (
        (state in ('new', 'pending', 'claimed')) = (finished_at is null)),
    constraint job_planned_before_claimed check (
        state not in ('pending', 'claimed') or not_before is not null),
    constraint job_nothing_before_its_grace_ends check (
        state not in ('pending', 'claimed') or next_at >= not_before),
    constraint job_nothing_deleted_before_its_grace_ended check (
        state not in ('removed', 'untagged')
        or (not_before is not null and finished_at >= not_before)),
    constraint job_claimed_with_a_token check (
        state <> 'claimed' or (claim_token is not null and claimed_at is not null)),
    constraint job_end_wanted_is_kept_or_cancelled check (
        end_wanted is null or (state = 'claimed' and end_wanted in ('kept', 'cancelled'))),
    constraint job_kept_images_are_never_due check (
        choice <> 'keep' or state in ('new', 'kept', 'cancelled'))
);

comment on table harpsweep.job is
    'One row per orphaned image: what is to be deleted, from when on, and what became of it. '
    'Written through harpsweep.schedule() and its companions; worked off by "harpsweep run". '
    'The view harpsweep.jobs shows the same for people.';
comment on column harpsweep.job.id is 'Number of the job; the commands and functions take it.';
comment on column harpsweep.job.daemon is 'Deploy daemon that holds the image: a name in oc_ex_apps_daemons or a [daemon:…] section of the settings.';
comment on column harpsweep.job.appid is 'ExApp that used the image.';
comment on column harpsweep.job.image_ref is 'What the container was created from: name:tag, name@digest or an image ID. Empty where it was never seen (no_ref, unsupported).';
comment on column harpsweep.job.image_id is 'sha256:… of the image at the time of the event, where it is known. With it, a tag that has moved on to a new image is never deleted: the recorded image is.';
comment on column harpsweep.job.event is 'What made the image an orphan: uninstall, update, manual (a person), adopted (found later).';
comment on column harpsweep.job.choice is 'grace: delete when the grace has ended; now: at once, also while cleanup is disabled; keep: do not delete.';
comment on column harpsweep.job.state is 'Where the job stands; see the type job_state.';
comment on column harpsweep.job.orphaned_at is 'When the event happened. A tag that was set again later is not deleted.';
comment on column harpsweep.job.grace_hours is 'Hours between event and delete, 0 to 720. Null until the first run fixes it from the settings.';
comment on column harpsweep.job.not_before is 'End of the grace: no delete starts before it.';
comment on column harpsweep.job.next_at is 'Earliest moment anybody may act: when it is due, when it is tried again, or when the claim of a run that died ends. -infinity for a new row, null exactly when the state is final.';
comment on column harpsweep.job.attempts is 'Claims made by runs. Only ever grows; together with claim_token it fences off late writers.';
comment on column harpsweep.job.failures is 'Attempts that failed and count. A daemon that is down does not count.';
comment on column harpsweep.job.rechecks is 'How often the image was found in use.';
comment on column harpsweep.job.lost_claims is 'Claims in a row of which no result was ever recorded (the run died).';
comment on column harpsweep.job.claim_token is 'Which claim of which run the row is in: the run''s token, its last 8 digits counting the run''s claims.';
comment on column harpsweep.job.claimed_by is 'host:pid of that run, for people.';
comment on column harpsweep.job.claimed_at is 'When it was claimed last.';
comment on column harpsweep.job.end_wanted is 'kept or cancelled: was asked for while a run worked on the row, and takes effect when that attempt ends without having deleted the image.';
comment on column harpsweep.job.hold_reason is 'Why an open job waits longer than its grace, or why a final one is final.';
comment on column harpsweep.job.protocol is 'http or https: the daemon''s address at the time of the event.';
comment on column harpsweep.job.host is 'Host of the daemon at the time of the event.';
comment on column harpsweep.job.docker_socket_port is 'HaRP''s docker-engine-port at the time of the event.';
comment on column harpsweep.job.http_status is 'HTTP status of the last answer, null where there was none.';
comment on column harpsweep.job.bytes_freed is 'Size of the deleted image as Docker told it: an upper bound where layers are shared.';
comment on column harpsweep.job.last_error is 'What went wrong last, in words.';
comment on column harpsweep.job.duration_ms is 'Duration of the last attempt''s requests in milliseconds.';
comment on column harpsweep.job.finished_at is 'When the state became final.';

-- All that a run reads: open rows, per daemon, in the order in which they become due. A final row is
-- in neither of these two, so a run's cost follows what is due and not the history.
create index job_due on harpsweep.job (daemon, next_at, id) where next_at is not null;
comment on index harpsweep.job_due is 'Open jobs per daemon in the order of their due time: the only index a claim reads.';
-- Its predicate says "open" in other words than job_due's on purpose: a planner without statistics
-- must not take it for a claim, which job_due answers in order.
create unique index job_one_open_per_image on harpsweep.job (daemon, image_ref, coalesce(image_id, ''))
    where finished_at is null;
comment on index harpsweep.job_one_open_per_image is 'At most one open job per daemon and image.';
create index job_prunable on harpsweep.job (finished_at) where finished_at is not null and state <> 'failed';
comment on index harpsweep.job_prunable is 'Final jobs by age: history_days and the view daily. Failed jobs are never pruned.';

create index job_failed on harpsweep.job (daemon, finished_at) where state = 'failed';
comment on index harpsweep.job_failed is 'Failed jobs: few, never pruned, and looked for by every status.';
comment on index harpsweep.job_pkey is 'Jobs by number.';
comment on sequence harpsweep.job_id_seq is 'Numbers of the jobs.';

create table harpsweep.run (
    id            bigint generated always as identity primary key,
    token         uuid not null unique,
    host          text not null,
    pid           int not null,
    version       text not null,
    started_at    timestamptz not null,
    finished_at   timestamptz not null default now(),
    exit_code     int not null,
    claimed       int not null,
    removed       int not null,
    untagged      int not null,
    absent        int not null,
    in_use        int not null,
    held          int not null,
    retried       int not null,
    failed        int not null,
    given_back    int not null,
    late          int not null,
    bytes_freed   bigint not null,
    note          text
);
comment on table harpsweep.run is 'Runs that did work, one row each, written when the run ends. A run that died has none; its jobs come back by themselves.';
comment on column harpsweep.run.id is 'Number of the run.';
comment on column harpsweep.run.token is 'Random number; the claim_token of its claims starts with the same 28 characters.';
comment on column harpsweep.run.host is 'Host that it ran on.';
comment on column harpsweep.run.pid is 'Its process ID there.';
comment on column harpsweep.run.version is 'Version of harpsweep.';
comment on column harpsweep.run.started_at is 'When it started, by the database''s clock.';
comment on column harpsweep.run.finished_at is 'When it ended.';
comment on column harpsweep.run.exit_code is 'What it told cron: 0 nothing to do for a person, 1 something needs attention, 69 database lost, 75 work left by a limit or a signal.';
comment on column harpsweep.run.claimed is 'Jobs it claimed.';
comment on column harpsweep.run.removed is 'Images deleted.';
comment on column harpsweep.run.untagged is 'Names removed of images that other names hold.';
comment on column harpsweep.run.absent is 'Images that were gone already.';
comment on column harpsweep.run.in_use is 'Images still in use.';
comment on column harpsweep.run.held is 'Jobs that a guard held.';
comment on column harpsweep.run.retried is 'Attempts that failed and will be repeated.';
comment on column harpsweep.run.failed is 'Jobs that ended as failed.';
comment on column harpsweep.run.given_back is 'Jobs given back untouched because their daemon was stopped or the run had to end.';
comment on column harpsweep.run.late is 'Results that came after somebody else had changed the row; they changed nothing.';
comment on column harpsweep.run.bytes_freed is 'Sum of the sizes of the deleted images: an upper bound.';
comment on column harpsweep.run.note is 'Why it ended early, and which daemons it stopped.';
create index run_finished on harpsweep.run (finished_at);
comment on index harpsweep.run_finished is 'Runs by age, for pruning and for the newest.';

comment on index harpsweep.run_pkey is 'Runs by number.';
comment on index harpsweep.run_token_key is 'A run leaves one row, however often it has to say so.';
comment on sequence harpsweep.run_id_seq is 'Numbers of the runs.';

create table harpsweep.daemon (
    daemon        text collate "C" primary key,
    harp_version  text,
    answered_at   timestamptz,
    stopped_since timestamptz,
    stop          text,
    reason        text,
    hint          text,
    paused_until  timestamptz,
    constraint daemon_stop_is_known check (stop in ('down', 'tls', 'unauthorized', 'silent',
        'too_old', 'not_harp', 'configuration', 'forbidden')),
    constraint daemon_stopped_with_a_reason check ((stop is null) = (stopped_since is null))
);
comment on table harpsweep.daemon is 'What runs last learned about each daemon. Written when a run with work for it found it well or stopped it; may be emptied at any time.';
comment on column harpsweep.daemon.daemon is 'Name of the daemon, as in harpsweep.job.';
comment on column harpsweep.daemon.harp_version is 'HaRP''s version as it told it.';
comment on column harpsweep.daemon.answered_at is 'When it last answered as HaRP does.';
comment on column harpsweep.daemon.stopped_since is 'Since when runs stop it; null while it is well.';
comment on column harpsweep.daemon.stop is 'Kind of the trouble in one word.';
comment on column harpsweep.daemon.reason is 'The trouble in words.';
comment on column harpsweep.daemon.hint is 'What to do about it.';
comment on column harpsweep.daemon.paused_until is 'Runs leave it alone until then (after a wrong key, because ten wrong keys in 300 s make HaRP ban the address). "harpsweep run --daemon NAME" tries at once.';
comment on index harpsweep.daemon_pkey is 'One row per daemon.';

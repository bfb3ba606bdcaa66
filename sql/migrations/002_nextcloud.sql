-- Migration 2: what is remembered of Nextcloud's apps, so that the image is known when the app is gone.
-- The tables are there whether Nextcloud's own are watched (intake_appapi.sql) or not.

create table harpsweep.nextcloud (
    one          boolean primary key default true,
    schema_name  text not null,
    table_prefix text not null,
    notes_jobs   boolean not null default false,
    installed_at timestamptz not null default now(),
    constraint nextcloud_is_one_row check (one)
);
comment on table harpsweep.nextcloud is
    'Which tables of Nextcloud are watched; one row, or none where intake_appapi.sql is not installed. An upgrade reads it.';
comment on column harpsweep.nextcloud.one is 'Always true: there is one row at most.';
comment on column harpsweep.nextcloud.schema_name is 'Schema of Nextcloud''s tables.';
comment on column harpsweep.nextcloud.table_prefix is 'Nextcloud''s dbtableprefix.';
comment on column harpsweep.nextcloud.notes_jobs is
    'AppAPI cleans up by itself, and intake_appapi_jobs.sql is installed: what AppAPI queues is noted, and an app''s end or update makes no job of its own.';
comment on column harpsweep.nextcloud.installed_at is 'When the tables were first watched.';
comment on index harpsweep.nextcloud_pkey is 'One row at most.';

create table harpsweep.exapp_image (
    id            bigint generated always as identity primary key,
    appid         harpsweep.name not null,
    daemon        harpsweep.name not null,
    protocol      text,
    host          text,
    docker_socket_port int,
    version       text,
    image_ref     harpsweep.image_ref,
    image_id      harpsweep.image_id,
    bytes         bigint,
    container     text,
    fingerprint   text not null,
    deployed_at   timestamptz,
    first_seen_at timestamptz not null default now(),
    seen_at       timestamptz not null default now(),
    superseded_at timestamptz,
    superseded_by text,
    constraint exapp_image_bytes_are_not_negative check (bytes >= 0),
    constraint exapp_image_superseded_by_something check (
        (superseded_at is null) = (superseded_by is null)
        and superseded_by in ('update', 'uninstall'))
);
comment on table harpsweep.exapp_image is
    'Which image each ExApp runs, as its container told, and which it ran before. Written by the step "observe" of a run, where something changed.';
comment on column harpsweep.exapp_image.id is 'Number of the observation.';
comment on column harpsweep.exapp_image.appid is 'ExApp.';
comment on column harpsweep.exapp_image.daemon is 'Deploy daemon that it runs on.';
comment on column harpsweep.exapp_image.protocol is 'http or https: the daemon''s address at the time.';
comment on column harpsweep.exapp_image.host is 'Host of the daemon at the time.';
comment on column harpsweep.exapp_image.docker_socket_port is 'HaRP''s docker-engine-port at the time.';
comment on column harpsweep.exapp_image.version is 'Version of the app in Nextcloud at the time.';
comment on column harpsweep.exapp_image.image_ref is 'What its container was created from; null where it never had one.';
comment on column harpsweep.exapp_image.image_id is 'ID of that image.';
comment on column harpsweep.exapp_image.bytes is 'Its size, as Docker told; null where it was not asked.';
comment on column harpsweep.exapp_image.container is 'State of the container (running, exited, …); null where there was none.';
comment on column harpsweep.exapp_image.fingerprint is 'Which row and which deploy of Nextcloud this is about: where Nextcloud''s differs, the container is looked at again.';
comment on column harpsweep.exapp_image.deployed_at is 'When a deploy ended whose container has not been looked at yet.';
comment on column harpsweep.exapp_image.first_seen_at is 'When the app was first seen with this image.';
comment on column harpsweep.exapp_image.seen_at is 'When it was seen with it last.';
comment on column harpsweep.exapp_image.superseded_at is 'When another image took its place or the app was removed; null while it is the app''s.';
comment on column harpsweep.exapp_image.superseded_by is 'update or uninstall: what took its place.';
comment on index harpsweep.exapp_image_pkey is 'Observations by number.';
comment on sequence harpsweep.exapp_image_id_seq is 'Numbers of the observations.';
create unique index exapp_image_current on harpsweep.exapp_image (appid) where superseded_at is null;
comment on index harpsweep.exapp_image_current is 'The image of each app now: one at most.';
create index exapp_image_before on harpsweep.exapp_image (appid, superseded_at) where superseded_at is not null;
comment on index harpsweep.exapp_image_before is 'The images of an app before, by age.';

create table harpsweep.intake_error (
    id       bigint generated always as identity primary key,
    source   text not null,
    code     text not null,
    message  text not null,
    context  text,
    subject  text,
    times    bigint not null default 1,
    first_at timestamptz not null default clock_timestamp(),
    last_at  timestamptz not null default clock_timestamp()
);
comment on table harpsweep.intake_error is
    'What went wrong inside the triggers on Nextcloud''s tables, which never fail a statement of Nextcloud''s. "harpsweep status" and "check" show it; empty it when it is dealt with.';
comment on column harpsweep.intake_error.id is 'Number of the error.';
comment on column harpsweep.intake_error.source is 'Table and statement whose trigger failed.';
comment on column harpsweep.intake_error.code is 'SQLSTATE.';
comment on column harpsweep.intake_error.message is 'The server''s words.';
comment on column harpsweep.intake_error.context is 'Where it happened last.';
comment on column harpsweep.intake_error.subject is 'Which app or daemon it was about last.';
comment on column harpsweep.intake_error.times is 'How often it happened.';
comment on column harpsweep.intake_error.first_at is 'When it happened first.';
comment on column harpsweep.intake_error.last_at is 'When it happened last.';
comment on index harpsweep.intake_error_pkey is 'Errors by number.';
comment on sequence harpsweep.intake_error_id_seq is 'Numbers of the errors.';
create unique index intake_error_once on harpsweep.intake_error (source, code, left(message, 200));
comment on index harpsweep.intake_error_once is 'The same error is counted, not repeated.';

-- The job of AppAPI's own cleanup that one of ours stands behind.
alter table harpsweep.job add column oc_job_id bigint;
comment on column harpsweep.job.oc_job_id is 'Where AppAPI cleans up by itself: its own job for the image, in oc_jobs. This one looks afterwards whether that worked.';

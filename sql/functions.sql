-- Part of install.sql, repeated at every installation: the functions by which Nextcloud, a DBA and
-- the commands write jobs. "create or replace" keeps what a DBA granted; a function whose
-- parameters change or that goes away is dropped by a migration.
--
-- Every parameter is written as function.parameter, because most share their name with a column:
-- a bare name is always the column.

-- ---------------------------------------------------------------------- parts of the others

-- A literal, so that a run that has nothing to do needs not look at a table to know it: in a fresh
-- backend that look was a fifth of its time. install.sql writes it in the transaction of the migrations.
select format('create or replace function harpsweep.schema_version() returns int '
              'language sql immutable parallel safe as %L', 'select ' || max(version))
from harpsweep.migration \gexec
comment on function harpsweep.schema_version() is
    'Version of this schema: the highest step in harpsweep.migration.';

create or replace function harpsweep.readable_span(seconds double precision) returns text
language sql immutable strict parallel safe
as $$
    -- It is put into the statement of whoever reads a view, and looked up with his search_path: only operators with
    -- exactly these types can't be replaced by somebody's own in another schema.
    select case
        when abs(seconds) = double precision 'Infinity' then 'ever'
        when abs(seconds) < double precision '59.5' then round(abs(seconds))::text || text ' s'
        when abs(seconds) < double precision '3570' then round(abs(seconds) / double precision '60')::text || text ' min'
        when abs(seconds) < double precision '171000' then round(abs(seconds) / double precision '3600')::text || text ' h'
        else round(abs(seconds) / double precision '86400')::text || text ' d'
    end
$$;
comment on function harpsweep.readable_span(double precision) is
    'A duration in seconds for people: "45 s", "3 min", "24 h", "5 d". The sign is left out.';

create or replace function harpsweep.readable_size(bytes bigint) returns text
language sql immutable strict parallel safe
as $$
    -- As readable_span() is: exactly these types.
    select case
        when bytes < bigint '1000' then bytes::text || text ' B'
        when bytes < bigint '999950' then round(bytes::numeric / numeric '1000', 1)::text || text ' kB'
        when bytes < bigint '999950000' then round(bytes::numeric / numeric '1000000', 1)::text || text ' MB'
        when bytes < bigint '999950000000' then round(bytes::numeric / numeric '1000000000', 1)::text || text ' GB'
        when bytes < bigint '999950000000000' then round(bytes::numeric / numeric '1000000000000', 1)::text || text ' TB'
        else round(bytes::numeric / numeric '1000000000000000', 1)::text || text ' PB'
    end
$$;
comment on function harpsweep.readable_size(bigint) is
    'A size in bytes, 0 or more, for people: "512 B", "1.5 GB". Units of 1000, as Docker and the program tell sizes.';

create or replace function harpsweep.shown(given text) returns text
language sql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
    select case
        when given is null then 'null'
        else quote_literal(regexp_replace(
                 left(given, 60) collate "C",
                 '[\u0001-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]', '?', 'g'))
             || case when length(given) > 60 then format(' ... (%s characters)', length(given)) else '' end
    end
$$;
comment on function harpsweep.shown(text) is
    'A text that somebody passed, made safe for a message: shortened, control characters replaced. Used by the other functions.';

create or replace function harpsweep.require_text(argument text, given text, longest int) returns void
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
    if given is null or btrim(given) = '' or length(given) > longest
       or given collate "C" ~ '[\u0001-\u001f\u007f-\u009f]' then
        raise exception '% must be a text of 1 to % characters, not blank and without control characters; given: %',
                argument, longest, harpsweep.shown(given)
            using errcode = 'invalid_parameter_value';
    end if;
end
$$;
comment on function harpsweep.require_text(text, text, int) is
    'Raises an error that names the argument unless it is a printable text of at most so many characters. Used by the other functions.';

create or replace function harpsweep.require_word(argument text, given text, allowed text[]) returns void
language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
    if given is null or given <> all (allowed) then
        raise exception '% must be one of %; given: %',
                argument, array_to_string(allowed, ', '), harpsweep.shown(given)
            using errcode = 'invalid_parameter_value';
    end if;
end
$$;
comment on function harpsweep.require_word(text, text, text[]) is
    'Raises an error that names the argument unless it is one of the allowed words. Used by the other functions.';

create or replace function harpsweep.lock_job(job_id bigint) returns harpsweep.job
language plpgsql set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    found_job harpsweep.job;
begin
    if lock_job.job_id is null then
        raise exception 'job_id must be the number of a job; given: null'
            using errcode = 'invalid_parameter_value';
    end if;
    select j.* into found_job from harpsweep.job as j where j.id = lock_job.job_id for update;
    if not found then
        raise exception 'there is no job %', lock_job.job_id
            using errcode = 'no_data_found', hint = 'The view harpsweep.jobs shows all there are.';
    end if;
    return found_job;
end
$$;
comment on function harpsweep.lock_job(bigint) is
    'The job of that number, locked until the transaction ends; an error where there is none. Used by the other functions.';

create or replace function harpsweep.end_jobs(ids bigint[], final harpsweep.job_state, reason text)
returns int
language plpgsql set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    flagged bigint[];
    ended   int;
begin
    -- While a claim lives its delete may start at any moment, and a row must not say "kept" before
    -- one. So the wish is left on the row, and the run that holds it, or the next one, grants it.
    with touched as (
        update harpsweep.job as j
        set end_wanted = end_jobs.final, hold_reason = end_jobs.reason
        where j.id = any (end_jobs.ids) and j.state = 'claimed' and j.next_at > now()
        returning j.id)
    select array_agg(touched.id order by touched.id) into flagged from touched;

    update harpsweep.job as j
    set state = end_jobs.final, next_at = null, finished_at = now(), end_wanted = null,
        claim_token = null, hold_reason = end_jobs.reason
    where j.id = any (end_jobs.ids) and j.finished_at is null and j.id <> all (coalesce(flagged, '{}'));
    get diagnostics ended = row_count;

    if flagged is not null then
        raise notice '% of the jobs % being worked on right now and will be % unless the image is deleted by then: %',
            cardinality(flagged), case when cardinality(flagged) = 1 then 'is' else 'are' end, end_jobs.final,
            array_to_string(flagged[1:10], ', ') || case when cardinality(flagged) > 10 then ', ...' else '' end;
    end if;
    return ended;
end
$$;
comment on function harpsweep.end_jobs(bigint[], harpsweep.job_state, text) is
    'Makes locked open jobs kept or cancelled, or notes the wish on those that a run works on; returns how many ended at once. Used by the other functions.';

create or replace function harpsweep.note_job(
    daemon text, appid text, image_ref text, image_id text, event text, choice text, grace_hours int,
    orphaned_at timestamptz, protocol text, host text, docker_socket_port int)
returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    job_id    bigint;
    -- The grace is the settings', which the next run knows.
    is_auto   boolean := note_job.choice = 'grace' and note_job.grace_hours is null;
    grace_end timestamptz := case when note_job.choice = 'now' then now()
                                  else note_job.orphaned_at + make_interval(hours => note_job.grace_hours) end;
begin
    insert into harpsweep.job as old (daemon, appid, image_ref, image_id, event, choice, state, orphaned_at,
                                      grace_hours, not_before, next_at, protocol, host, docker_socket_port)
    values (note_job.daemon, note_job.appid, note_job.image_ref, note_job.image_id, note_job.event,
            note_job.choice,
            case when is_auto then 'new' else 'pending' end::harpsweep.job_state,
            note_job.orphaned_at,
            case when note_job.choice = 'grace' then note_job.grace_hours end,
            grace_end,
            case when is_auto then '-infinity' else grace_end end,
            note_job.protocol, note_job.host, note_job.docker_socket_port)
    -- An open job for the same image: this event takes its place, and the later grace wins. A job
    -- whose grace no run has fixed yet stays so, with what is known as the least. The number of
    -- attempts is all that remains of the old one's life, and a claim on it is void.
    on conflict (daemon, image_ref, coalesce(image_id, '')) where finished_at is null
    do update set
        appid = excluded.appid,
        scheduled_by = session_user,
        event = excluded.event,
        choice = excluded.choice,
        -- The grace of a job that no run has fixed begins there: not earlier than was promised before.
        orphaned_at = case when excluded.choice = 'now' then excluded.orphaned_at
                           else greatest(excluded.orphaned_at, old.orphaned_at) end,
        (state, grace_hours, not_before, next_at) = (
            select case when merged.is_auto then 'new' else 'pending' end::harpsweep.job_state,
                   case when not merged.is_auto then excluded.grace_hours end,
                   merged.not_before,
                   case when merged.is_auto then '-infinity' else merged.not_before end
            from (select excluded.choice = 'grace'
                         and (excluded.grace_hours is null
                              or (old.state = 'new' and old.choice = 'grace' and old.grace_hours is null))
                             as is_auto,
                         case when excluded.choice = 'now' then excluded.not_before
                              else greatest(excluded.not_before, old.not_before,
                                            case when old.state = 'new' and old.choice = 'grace' then
                                                old.orphaned_at + make_interval(hours => old.grace_hours) end)
                         end as not_before) as merged),
        failures = 0, rechecks = 0, lost_claims = 0,
        claim_token = null, claimed_by = null, claimed_at = null, end_wanted = null, hold_reason = null,
        protocol = excluded.protocol, host = excluded.host, docker_socket_port = excluded.docker_socket_port,
        http_status = null, bytes_freed = null, last_error = null, duration_ms = null
    returning id into job_id;
    return job_id;
end
$$;
comment on function harpsweep.note_job(text, text, text, text, text, text, int, timestamptz, text, text, int) is
    'Makes a job, or merges with the open one for the same image; its arguments are right already. Used by the other functions.';

-- What nextcloud.sql, or nextcloud_absent.sql, defines: the same functions, with something to say or without.
comment on function harpsweep.endpoint_of(text) is
    'Where a daemon of Nextcloud''s is; no row for one that is unknown or has no HaRP. Used by the other functions.';
comment on function harpsweep.news() is
    'What a run has to know of Nextcloud, one row each: "nextcloud" (once; prefix and schema of its tables), "daemon" (detail: what is wrong with it), "look" (an app whose container is to be looked at; detail: its fingerprint), "gone" (an app that was removed unnoticed; see reconcile()).';
comment on function harpsweep.changed_apps() is
    'What is to be done about Nextcloud''s apps, one row each: "look" (its container is to be looked at; with its fingerprint), "gone" (it was removed unnoticed; see reconcile()). No row where all is as it was seen last, which is what a run asks first.';
comment on function harpsweep.reconcile() is
    'Makes the jobs of apps that were removed while their trigger was not there or failed; returns how many.';
comment on function harpsweep.observed(text[], text[], text[], text[], text[], bigint[], text[]) is
    'Records which image each of these apps was seen with. A changed one makes a job for the one before; an open job for the one that is used again is cancelled. Returns what became of each: new, same, update, no container, changed meanwhile, refused (why is in intake_error).';
comment on function harpsweep.held(bigint[], text[], int, boolean, boolean) is
    'Which of these jobs must not delete their image now, and why: what Nextcloud''s tables say (deploys that run, apps that use the image, and so on). images: the IDs that Docker told, null where it was not asked. delay_s: look again after so many seconds, null for in_use_recheck_hours.';
comment on function harpsweep.deploys_beside(bigint[]) is
    'Of these jobs, whose image was just deleted, those beside which a deploy runs on the same engine: it began after the last look, for held() holds a job while one runs.';
comment on function harpsweep.nextcloud_state() is
    'How Nextcloud''s tables are watched, for "harpsweep check": how many of the two triggers are active, how many apps are on daemons with HaRP and how many of those still have to be looked at, and whether AppAPI cleans up by itself.';
comment on function harpsweep.nextcloud_settings() is
    'AppAPI''s settings of the image cleanup, and no others of Nextcloud''s: for follow_nextcloud.';

-- ---------------------------------------------------------------------- what others call

create or replace function harpsweep.keep(daemon text, appid text) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    ids bigint[];
begin
    perform harpsweep.require_text('daemon', keep.daemon, 64);
    perform harpsweep.require_text('appid', keep.appid, 64);

    -- Locked in one order everywhere, so that two callers never wait for each other.
    select array_agg(open_job.id) into ids
    from (select j.id from harpsweep.job as j
          where j.daemon = keep.daemon and j.appid = keep.appid and j.finished_at is null
          order by j.id for update) as open_job;
    return harpsweep.end_jobs(ids, 'kept', 'asked to keep the image');
end
$$;
comment on function harpsweep.keep(text, text) is
    'Keeps the images of an app on a daemon: its open jobs become "kept". Returns how many did at once; one that a run works on right now gets there when that attempt ends, unless it deleted the image.';

create or replace function harpsweep.schedule(
    daemon      text,
    appid       text,
    image_ref   text,
    event       text default 'uninstall',
    choice      text default 'grace',
    grace_hours int  default null,
    image_id    text default null)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    job_id   bigint;
    endpoint harpsweep.job; -- for its three columns
begin
    perform harpsweep.require_text('daemon', schedule.daemon, 64);
    perform harpsweep.require_text('appid', schedule.appid, 64);
    perform harpsweep.require_text('image_ref', schedule.image_ref, 512);
    perform harpsweep.require_word('event', schedule.event, '{uninstall,update,manual,adopted}');
    perform harpsweep.require_word('choice', schedule.choice, '{grace,now,keep}');
    if schedule.grace_hours not between 0 and 720 then
        raise exception 'grace_hours must be 0 to 720, or null for the settings'' value; given: %', schedule.grace_hours
            using errcode = 'invalid_parameter_value';
    end if;
    if schedule.image_id collate "C" !~ '^sha256:[0-9a-f]{64}$' then
        raise exception 'image_id must be "sha256:" and 64 lower-case hex digits, or null where it is not known; given: %',
                harpsweep.shown(schedule.image_id)
            using errcode = 'invalid_parameter_value';
    end if;

    if schedule.choice = 'keep' then
        perform harpsweep.keep(schedule.daemon, schedule.appid);
        insert into harpsweep.job (daemon, appid, image_ref, image_id, event, choice, state, next_at,
                                   finished_at, hold_reason)
        values (schedule.daemon, schedule.appid, schedule.image_ref, schedule.image_id, schedule.event,
                'keep', 'kept', null, now(), 'asked to keep the image')
        returning id into job_id;
        return job_id;
    end if;

    -- Where Nextcloud's tables say where the daemon is, the job remembers it: the name may mean
    -- something else, or nothing, by the time that the job is due.
    begin
        select e.protocol, e.host, e.docker_socket_port
        into endpoint.protocol, endpoint.host, endpoint.docker_socket_port
        from harpsweep.endpoint_of(schedule.daemon) as e;
    exception when others then
        raise notice 'where the daemon is could not be noted: %', sqlerrm;
    end;
    return harpsweep.note_job(schedule.daemon, schedule.appid, schedule.image_ref, schedule.image_id,
                              schedule.event, schedule.choice, schedule.grace_hours, now(),
                              endpoint.protocol, endpoint.host, endpoint.docker_socket_port);
end
$$;
comment on function harpsweep.schedule(text, text, text, text, text, int, text) is
    'Reports that an image has become an orphan; returns the number of its job. choice grace: it is deleted grace_hours from now (null: as the settings say); now: at once; keep: it is not deleted, and open jobs of the app on that daemon become "kept". An open job for the same image is merged with this one, and the later grace wins; now ends any.';

create or replace function harpsweep.keep_job(job_id bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    the_job harpsweep.job := harpsweep.lock_job(keep_job.job_id);
begin
    if the_job.next_at is null then
        raise notice 'job % is final already: %', the_job.id, the_job.state;
        return false;
    end if;
    return harpsweep.end_jobs(array[the_job.id], 'kept', 'asked to keep the image') = 1;
end
$$;
comment on function harpsweep.keep_job(bigint) is
    'Keeps the image of one open job: it becomes "kept". False where it is final already, or where a run works on it right now (then it becomes "kept" when that attempt ends, unless it deleted the image).';

create or replace function harpsweep.cancel(job_id bigint, reason text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    the_job harpsweep.job;
begin
    perform harpsweep.require_text('reason', cancel.reason, 512);
    the_job := harpsweep.lock_job(cancel.job_id);
    if the_job.next_at is null then
        raise notice 'job % is final already: %', the_job.id, the_job.state;
        return false;
    end if;
    return harpsweep.end_jobs(array[the_job.id], 'cancelled', cancel.reason) = 1;
end
$$;
comment on function harpsweep.cancel(bigint, text) is
    'Cancels an open job; the reason is shown with it. False where it is final already, or where a run works on it right now (then it becomes "cancelled" when that attempt ends, unless it deleted the image).';

create or replace function harpsweep.make_due(job_id bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    the_job harpsweep.job := harpsweep.lock_job(make_due.job_id);
begin
    if the_job.next_at is null then
        raise notice 'job % is final already: %', the_job.id, the_job.state;
        return false;
    end if;
    if the_job.state = 'claimed' then
        raise notice 'job % is being worked on already', the_job.id;
        return false;
    end if;
    if the_job.choice = 'keep' then
        raise notice 'job % asks to keep the image', the_job.id;
        return false;
    end if;
    update harpsweep.job as j
    set choice = 'now', state = 'pending', not_before = least(coalesce(j.not_before, now()), now()),
        next_at = now(), hold_reason = null
    where j.id = the_job.id;
    return true;
end
$$;
comment on function harpsweep.make_due(bigint) is
    'Ends the waiting of an open job: its choice becomes "now" and it is due at once. False where it is final, where a run works on it already, or where the image is to be kept.';

create or replace function harpsweep.retry(job_id bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    the_job harpsweep.job := harpsweep.lock_job(retry.job_id);
begin
    if the_job.state not in ('failed', 'in_use', 'unsupported', 'cancelled') or the_job.choice = 'keep'
       or the_job.image_ref = '' then
        raise notice 'job % cannot be tried again: it is %', the_job.id, the_job.state
            using hint = 'Jobs that are failed, in_use, unsupported or cancelled can.';
        return false;
    end if;
    update harpsweep.job as j
    set state = case when j.not_before is null then 'new' else 'pending' end::harpsweep.job_state,
        next_at = case when j.not_before is null then '-infinity' else greatest(now(), j.not_before) end,
        failures = 0, rechecks = 0, lost_claims = 0,
        claim_token = null, claimed_by = null, claimed_at = null, hold_reason = null,
        http_status = null, bytes_freed = null, duration_ms = null, finished_at = null
    where j.id = the_job.id;
    return true;
exception when unique_violation then
    raise notice 'job % was left as it is: there is an open job for the same image', the_job.id;
    return false;
end
$$;
comment on function harpsweep.retry(bigint) is
    'Opens a job again that is failed, in_use, unsupported or cancelled, with its counts at zero. False where it is in another state, or where there is an open job for the same image.';

create or replace function harpsweep.flush_daemon(daemon text) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    flushed int;
begin
    perform harpsweep.require_text('daemon', flush_daemon.daemon, 64);
    perform from harpsweep.job as j
    where j.daemon = flush_daemon.daemon and j.finished_at is null
    order by j.id for update;
    update harpsweep.job as j
    set choice = 'now', state = 'pending', not_before = least(coalesce(j.not_before, now()), now()),
        next_at = now(), hold_reason = null
    where j.daemon = flush_daemon.daemon and j.finished_at is null
      and j.state in ('new', 'pending') and j.choice <> 'keep';
    get diagnostics flushed = row_count;
    return flushed;
end
$$;
comment on function harpsweep.flush_daemon(text) is
    'The daemon is going away: its open jobs are due now, as if each had been asked for with choice "now". Returns how many; jobs that a run works on already are left to it.';

create or replace function harpsweep.cancel_daemon(daemon text, reason text) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    ids bigint[];
begin
    perform harpsweep.require_text('daemon', cancel_daemon.daemon, 64);
    perform harpsweep.require_text('reason', cancel_daemon.reason, 512);
    select array_agg(open_job.id) into ids
    from (select j.id from harpsweep.job as j
          where j.daemon = cancel_daemon.daemon and j.finished_at is null
          order by j.id for update) as open_job;
    return harpsweep.end_jobs(ids, 'cancelled', cancel_daemon.reason);
end
$$;
comment on function harpsweep.cancel_daemon(text, text) is
    'Cancels every open job of a daemon. Returns how many ended at once; one that a run works on right now is cancelled when that attempt ends, unless it deleted the image.';

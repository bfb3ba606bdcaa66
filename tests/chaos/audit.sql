-- What the judge of the chaos test reads: every change of every job, written in the transaction of the change by a
-- trigger, with the clock, the transaction and the program that made it. For tests only.

create schema chaos;

-- Seconds by which this server's clock is wrong; the phase that steps the clock replaces it.
create function chaos.shift() returns float8 language sql as 'select 0::float8';

create table chaos.audit (
    seq          bigint generated always as identity primary key,
    at           timestamptz not null default clock_timestamp(),
    began        timestamptz not null default now(),  -- what every condition of the transaction was about
    shift        float8 not null,
    xid          xid8 not null default pg_current_xact_id(),
    app          text not null,
    id           bigint not null,
    image_ref    text not null,
    old_state    text,
    state        text,
    old_next_at  timestamptz,
    next_at      timestamptz,
    not_before   timestamptz,
    old_token    uuid,
    token        uuid,
    claimed_by   text,
    old_attempts int,
    attempts     int,
    old_failures int,
    failures     int,
    end_wanted   text,
    finished_at  timestamptz,
    note         text
);

create function chaos.note() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    -- old is null in an insert, new in a delete, and so are their columns.
    insert into chaos.audit (shift, app, id, image_ref, old_state, state, old_next_at, next_at, not_before, old_token, token,
                             claimed_by, old_attempts, attempts, old_failures, failures, end_wanted, finished_at, note)
    values (chaos.shift(), current_setting('application_name'), coalesce(new.id, old.id),
            coalesce(new.image_ref, old.image_ref), old.state, new.state, old.next_at, new.next_at,
            case when tg_op = 'DELETE' then old.not_before else new.not_before end, old.claim_token, new.claim_token,
            new.claimed_by, old.attempts, new.attempts, old.failures, new.failures,
            coalesce(new.end_wanted, old.end_wanted), coalesce(new.finished_at, old.finished_at),
            case when new.state = 'failed' then new.last_error end);
    return null;
end
$$;

create trigger chaos_note after insert or update or delete on harpsweep.job for each row execute function chaos.note();

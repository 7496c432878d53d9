-- Executions: one narrow row that changes, and beside it what never does. Instants are microseconds since 1970 UTC.
-- Alternatives are written with `or`: SQLite builds a temporary table for each check of a long `in (…)`.

create table hydra_schema (
    version integer primary key,
    is_additive integer not null default 0  -- code that does not know this step may work on
);

create table hydra_execution (
    id text not null primary key,
    namespace text not null,
    workflow text not null,
    status text not null
        check (
            status = 'pending' or status = 'running' or status = 'completed' or status = 'sleeping'
            or status = 'waiting' or status = 'failed' or status = 'cancelled' or status = 'parked'
        ),
    priority integer not null,
    run_at integer not null,
    wake_at integer,  -- the timer; a pending execution with one is not yet ready
    timeout_at integer,
    owner text,
    attention text check (attention = 'cancel' or attention = 'timeout'),  -- what its owner is asked to do
    epoch integer not null default 0,
    wake_seq integer not null default 0,
    attempt integer not null default 1,
    record_count integer not null default 0,
    death_count integer not null default 0,
    alone_death_count integer not null default 0,
    claimed_at integer,
    started_at integer,
    finished_at integer,
    cause text not null default '',
    cause_seq integer not null default 0,
    is_child integer not null default 0,  -- somebody is to be told of its end
    check ((owner is not null) = (status = 'running')),
    check ((finished_at is not null) = (status = 'completed' or status = 'failed' or status = 'cancelled')),
    check (wake_at is null or status = 'pending' or status = 'sleeping' or status = 'waiting'),
    check (wake_at is not null or status <> 'sleeping')
) without rowid;

-- The claim's only path: nothing finished, asleep, delayed or parked is in it.
create index hydra_execution_ready on hydra_execution (namespace, workflow, priority desc, run_at, id)
    where status = 'pending' and wake_at is null;
create index hydra_execution_timer on hydra_execution (namespace, wake_at) where wake_at is not null;
create index hydra_execution_idle_timeout on hydra_execution (namespace, timeout_at)
    where timeout_at is not null and attention is null
        and (status = 'pending' or status = 'sleeping' or status = 'waiting');
create index hydra_execution_running_timeout on hydra_execution (namespace, timeout_at)
    where timeout_at is not null and status = 'running' and attention is null;
create index hydra_execution_owner on hydra_execution (owner) where owner is not null;
create index hydra_execution_attention on hydra_execution (owner) where attention is not null and owner is not null;
create index hydra_execution_notable on hydra_execution (namespace, status, id)
    where status = 'sleeping' or status = 'waiting' or status = 'failed' or status = 'cancelled' or status = 'parked';
create index hydra_execution_finished on hydra_execution (namespace, finished_at) where finished_at is not null;

create table hydra_submission (
    execution_id text not null primary key references hydra_execution (id),
    key text,
    digest blob not null,
    input blob not null,
    tags text check (tags is null or json_valid(tags)),
    submitted_at integer not null
) without rowid;

-- A key outlives its execution (R24): after a purge the same invoice does not run twice.
create table hydra_key (
    namespace text not null,
    workflow text not null,
    key text not null,
    execution_id text not null,
    digest blob not null,
    created_at integer not null,
    primary key (namespace, workflow, key)
) without rowid;

create table hydra_record (
    execution_id text not null references hydra_execution (id),
    seq integer not null check (seq > 0),
    kind text not null
        check (
            kind = 'step' or kind = 'value' or kind = 'sleep' or kind = 'failure'
            or kind = 'try' or kind = 'crash' or kind = 'supersede' or kind = 'wait' or kind = 'event'
                or kind = 'expiry'
            or kind = 'spawn' or kind = 'start' or kind = 'resolution'
        ),
    branch text not null,
    name text not null,
    ordinal integer not null,
    attempt integer not null,
    digest blob not null,
    payload blob,
    started_at integer not null,
    finished_at integer not null,
    due_at integer not null,
    primary key (execution_id, seq)
) without rowid;

-- What was put before an execution and no wait has consumed yet. `wake_seq` is 0 where there never was anything.
create table hydra_message (
    execution_id text not null references hydra_execution (id),
    id text not null,
    name text not null,
    payload blob not null,
    sent_at integer not null,
    primary key (execution_id, id)
) without rowid;

-- Who is to be told of whose end; gone once told. A parent's own child has the id of the request that made it.
create table hydra_child (
    child_id text not null,
    request_id text not null,
    parent_id text not null references hydra_execution (id),
    primary key (child_id, request_id)
) without rowid;

create index hydra_child_parent on hydra_child (parent_id);

-- One line for each ended epoch; its payload is what the epoch ended with: a result, a failure, the reason of a park.
create table hydra_claim (
    execution_id text not null references hydra_execution (id),
    epoch integer not null check (epoch > 0),
    attempt integer not null,
    node text not null,
    worker integer,
    claimed_at integer not null,
    ended_at integer not null,
    ending text not null
        check (
            ending = 'completed' or ending = 'sleeping' or ending = 'waiting' or ending = 'failed' or ending = 'retry'
            or ending = 'cancelled' or ending = 'parked' or ending = 'released' or ending = 'crashed' or ending = 'lost'
            or ending = 'continued'
        ),
    detail text not null,
    payload blob,
    primary key (execution_id, epoch)
) without rowid;

-- How many executions there are, so that nobody ever counts millions of rows.
create table hydra_count (
    namespace text not null,
    workflow text not null,
    status text not null,
    count integer not null,
    primary key (namespace, workflow, status)
) without rowid;

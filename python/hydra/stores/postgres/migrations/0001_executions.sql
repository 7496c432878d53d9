-- Executions, hot and cold apart. Instants are microseconds since 1970 UTC. No foreign keys from rows written by the
-- million: each would cost a lookup and a lock on its parent; `hydra audit` finds orphans.

create table hydra_schema (
    version integer primary key,
    is_additive boolean not null default false  -- code that does not know this step may work on
);

-- What was asked for: written once, in the transaction that made the execution. Only `continue_as_new` replaces an
-- input.
create table hydra_submission (
    execution_id uuid primary key,
    submitted_at bigint not null,
    due_at bigint not null,
    timeout_at bigint,
    priority integer not null,
    namespace text collate "C" not null,
    workflow text collate "C" not null,
    key text collate "C",
    digest bytea not null,
    input bytea not null,
    tags jsonb
);

-- Executions that are not final: one narrow row each, on which every race is decided, and the only table a claim walks.
create table hydra_execution (
    id uuid primary key,
    run_at bigint not null,
    wake_at bigint,  -- the timer; a pending execution with one is not yet ready
    timeout_at bigint,
    started_at bigint,
    claimed_at bigint,
    owner uuid,
    epoch integer not null default 0,
    attempt integer not null default 1,
    priority integer not null,
    wake_seq integer not null default 0,
    record_count integer not null default 0,  -- when its last claim ended; what runs may have more
    death_count integer not null default 0,
    alone_death_count integer not null default 0,
    is_child boolean not null default false,  -- somebody is to be told of its end
    status text collate "C" not null
        check (status in ('pending', 'running', 'sleeping', 'waiting', 'parked')),
    attention text check (attention in ('cancel', 'timeout')),  -- what its owner is asked to do
    namespace text collate "C" not null,
    workflow text collate "C" not null,
    check ((owner is not null) = (status = 'running')),
    check (wake_at is null or status in ('pending', 'sleeping', 'waiting')),
    check (wake_at is not null or status <> 'sleeping')
) with (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.05
);

-- The claim's only path: nothing asleep, delayed or parked is in it.
create index hydra_execution_ready on hydra_execution (namespace, workflow, (-priority::bigint), run_at, id)
    where status = 'pending' and wake_at is null;
create index hydra_execution_timer on hydra_execution (namespace, wake_at)
    where wake_at is not null;
create index hydra_execution_timeout on hydra_execution (namespace, timeout_at)
    where timeout_at is not null and attention is null and status <> 'parked';
create index hydra_execution_owner on hydra_execution (owner, claimed_at)
    where status = 'running';

-- Executions that are final. Nothing updates a row; a person's retry of a failed one takes it away.
create table hydra_outcome (
    execution_id uuid primary key,
    finished_at bigint not null,
    run_at bigint not null,
    started_at bigint,
    claimed_at bigint,
    timeout_at bigint,
    epoch integer not null,
    attempt integer not null,
    wake_seq integer not null,
    record_count integer not null,
    death_count integer not null,
    alone_death_count integer not null,
    cause_seq integer not null,
    status text collate "C" not null
        check (status in ('completed', 'failed', 'cancelled')),
    attention text,
    namespace text collate "C" not null,
    workflow text collate "C" not null,
    cause text not null
);

create index hydra_outcome_finished on hydra_outcome using brin (finished_at) with (pages_per_range = 16,
    autosummarize = on);
create index hydra_outcome_notable on hydra_outcome (namespace, status, execution_id)
    where status <> 'completed';

-- How many are final, as differences to add up: one shared row would make every node's commit wait for every other's.
create table hydra_count (
    namespace text collate "C" not null,
    workflow text collate "C" not null,
    status text collate "C" not null,
    count bigint not null
) with (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- A key outlives its execution (R24): after a purge the same invoice does not run twice.
create table hydra_key (
    namespace text collate "C" not null,
    workflow text collate "C" not null,
    key_hash bytea not null,  -- SHA-256: a key may be longer than an index entry
    execution_id uuid not null,
    created_at bigint not null,
    digest bytea not null,
    key text not null,
    primary key (namespace, workflow, key_hash)
);

-- The record log (R13).
create table hydra_record (
    execution_id uuid not null,
    started_at bigint not null,
    finished_at bigint not null,
    due_at bigint not null,
    seq integer not null check (seq > 0),
    ordinal integer not null,
    attempt integer not null,
    kind text collate "C" not null
        check (
            kind in (
                'step', 'failure', 'try', 'crash', 'sleep', 'value', 'supersede', 'wait', 'event', 'expiry', 'spawn',
                'start',
                'resolution'
            )
        ),
    branch text not null,
    name text not null,
    digest bytea not null,
    payload bytea,
    primary key (execution_id, seq)
);

-- What was put before an execution and no wait has consumed yet. `wake_seq` is 0 where there never was anything.
create table hydra_message (
    execution_id uuid not null,
    id uuid not null,
    sent_at bigint not null,
    name text not null,
    payload bytea not null,
    primary key (execution_id, id)
);

-- Who is to be told of whose end; gone once told. A parent's own child has the id of the request that made it.
create table hydra_child (
    child_id uuid not null,
    request_id uuid not null,
    parent_id uuid not null,
    primary key (child_id, request_id)
);

create index hydra_child_parent on hydra_child (parent_id);
create index hydra_child_adopted on hydra_child (child_id) where child_id <> request_id;

-- One line for each ended epoch; its payload is what the epoch ended with: a result, a failure, the reason of a park.
create table hydra_claim (
    execution_id uuid not null,
    claimed_at bigint not null,
    ended_at bigint not null,
    node uuid not null,
    epoch integer not null check (epoch > 0),
    attempt integer not null,
    worker integer,
    ending text not null check (ending in
        ('completed', 'failed', 'retry', 'sleeping', 'waiting', 'cancelled', 'parked', 'released', 'crashed', 'lost',
        'continued')),
    detail text not null,
    payload bytea,
    primary key (execution_id, epoch)
);

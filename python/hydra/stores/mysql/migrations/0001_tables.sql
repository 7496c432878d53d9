-- Names and keys are VARBINARY (UTF-8 bytes): they compare exactly, whatever the server's collation or padding rule.
-- Ids are the 16 bytes of a UUIDv7: rows append. Every column an UPDATE touches has a fixed width: rows change in
-- place.

create table if not exists hydra_execution (
    id binary(16) not null,
    namespace varbinary(200) not null,
    workflow varbinary(600) not null,
    idempotency_key longblob null,
    status enum('pending', 'running', 'sleeping', 'waiting', 'completed', 'failed', 'cancelled', 'parked')
        character set ascii collate ascii_bin not null,
    owner binary(16) not null,
    epoch int not null,
    attempt int not null,
    priority int not null,
    submitted_at bigint not null,
    run_at bigint not null,
    wake_at bigint not null,
    timeout_at bigint not null,
    claimed_at bigint not null,
    started_at bigint not null,
    finished_at bigint not null,
    wake_seq int not null,
    record_count int not null,
    attention enum('', 'cancel', 'timeout') character set ascii collate ascii_bin not null,
    death_count int not null,
    alone_death_count int not null,
    cause varbinary(4096) not null,
    cause_seq int not null,
    is_child tinyint not null default 0,
    digest varbinary(64) not null,
    tags longblob null,
    input longblob not null,
    primary key (id),
    key by_status (namespace, status, owner, id),
    check ((status = 'running') = (owner <> x'00000000000000000000000000000000')),
    check ((status in ('completed', 'failed', 'cancelled')) = (finished_at <> 0)),
    check (wake_at = 0 or status in ('pending', 'sleeping', 'waiting')),
    check (wake_at <> 0 or status <> 'sleeping')
) engine = innodb row_format = dynamic;

-- What may run now, in the order it is taken; nothing else lies on a claim's path.
create table if not exists hydra_ready (
    namespace varbinary(200) not null,
    workflow varbinary(600) not null,
    negated_priority int not null,
    run_at bigint not null,
    id binary(16) not null,
    primary key (namespace, workflow, negated_priority, run_at, id)
) engine = innodb row_format = dynamic;

-- What becomes due by itself: sleeping, waiting with a time-out, a retry or a start that is delayed.
create table if not exists hydra_timer (
    namespace varbinary(200) not null,
    due_at bigint not null,
    id binary(16) not null,
    primary key (namespace, due_at, id)
) engine = innodb row_format = dynamic;

-- When an execution runs out of time; without those that are final, parked, or were asked to stop while they run.
create table if not exists hydra_deadline (
    namespace varbinary(200) not null,
    timeout_at bigint not null,
    id binary(16) not null,
    primary key (namespace, timeout_at, id)
) engine = innodb row_format = dynamic;

-- Kept for ever, also after the execution was purged (R24). Keys of any length are found by the SHA-256 of
-- namespace, workflow and key with zero bytes between.
create table if not exists hydra_key (
    key_hash binary(32) not null,
    namespace varbinary(200) not null,
    workflow varbinary(600) not null,
    idempotency_key longblob not null,
    execution_id binary(16) not null,
    digest varbinary(64) not null,
    created_at bigint not null,
    primary key (key_hash)
) engine = innodb row_format = dynamic;

create table if not exists hydra_record (
    execution_id binary(16) not null,
    seq int not null,
    kind varchar(16) character set ascii collate ascii_bin not null,
    branch varbinary(2048) not null,
    name varbinary(2048) not null,
    ordinal int not null,
    attempt int not null,
    digest varbinary(64) not null,
    payload longblob null,
    started_at bigint not null,
    finished_at bigint not null,
    due_at bigint not null,
    primary key (execution_id, seq),
    check (seq > 0)
) engine = innodb row_format = dynamic;

-- What was put before an execution and no wait has consumed yet. `wake_seq` is 0 where there never was anything.
create table if not exists hydra_message (
    execution_id binary(16) not null,
    id binary(16) not null,
    name varbinary(2048) not null,
    payload longblob not null,
    sent_at bigint not null,
    primary key (execution_id, id)
) engine = innodb row_format = dynamic;

-- Who is to be told of whose end; gone once told. A parent's own child has the id of the request that made it.
create table if not exists hydra_child (
    child_id binary(16) not null,
    request_id binary(16) not null,
    parent_id binary(16) not null,
    primary key (child_id, request_id),
    key by_parent (parent_id)
) engine = innodb row_format = dynamic;

-- In the order of finishing: appended at one end, purged at the other.
create table if not exists hydra_finished (
    namespace varbinary(200) not null,
    finished_at bigint not null,
    id binary(16) not null,
    primary key (namespace, finished_at, id)
) engine = innodb row_format = dynamic;

-- The audit trail: one line for each ended epoch, with what it ended with: a result, a failure, the reason of a park.
create table if not exists hydra_claim (
    execution_id binary(16) not null,
    epoch int not null,
    attempt int not null,
    node binary(16) not null,
    worker int null,
    claimed_at bigint not null,
    ended_at bigint not null,
    ending varchar(16) character set ascii collate ascii_bin not null,
    detail varbinary(4096) not null,
    payload longblob null,
    primary key (execution_id, epoch),
    check (epoch > 0)
) engine = innodb row_format = dynamic;

-- The fence (R6): written at registration, session bump and death only.
create table if not exists hydra_node (
    id binary(16) not null,
    namespace varbinary(200) not null,
    state enum('alive', 'dead', 'empty') character set ascii collate ascii_bin not null,
    session int not null,
    fence bigint not null,
    host varbinary(1024) not null,
    boot_id varbinary(200) not null,
    pid bigint not null,
    pid_started bigint not null,
    code_version varbinary(1024) not null,
    workers int not null,
    lock_path varbinary(4096) not null,
    registered_at bigint not null,
    primary key (id),
    key by_state (namespace, state)
) engine = innodb row_format = dynamic;

create table if not exists hydra_node_beat (
    node_id binary(16) not null,
    counter bigint not null,
    beat_at bigint not null,
    code_version varbinary(1024) not null default '',  -- of what it registered last; a reload changes it
    primary key (node_id)
) engine = innodb row_format = dynamic;

create table if not exists hydra_workflow (
    namespace varbinary(200) not null,
    name varbinary(600) not null,
    signature longblob not null,
    timeout_us bigint null,
    code_version varbinary(1024) not null,
    primary key (namespace, name)
) engine = innodb row_format = dynamic;

create table if not exists hydra_node_workflow (
    node_id binary(16) not null,
    name varbinary(600) not null,
    primary key (node_id, name)
) engine = innodb row_format = dynamic;

-- How many executions are in each state, spread over slots so that committers do not meet; the row without a
-- workflow counts transactions and is what watchers poll.
create table if not exists hydra_tally (
    namespace varbinary(200) not null,
    workflow varbinary(600) not null,
    status varchar(16) character set ascii collate ascii_bin not null,
    slot smallint not null,
    total bigint not null,
    primary key (namespace, workflow, status, slot)
) engine = innodb row_format = dynamic;

-- What callers' own transactions add to the tallies, each in rows of its own until a heartbeat folds them.
create table if not exists hydra_delta (
    id binary(16) not null,
    namespace varbinary(200) not null,
    workflow varbinary(600) not null,
    status varchar(16) character set ascii collate ascii_bin not null,
    total bigint not null,
    primary key (id)
) engine = innodb row_format = dynamic;

-- `open` proves on a row of its own here that share locks really block (R9).
create table if not exists hydra_probe (
    id binary(16) not null,
    primary key (id)
) engine = innodb row_format = dynamic;

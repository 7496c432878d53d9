-- additive
-- One kind of limit more: how many may be pending, of a workflow, of each key of a limit, or in all. Which kinds there
-- are the code says; SQLite takes no check away from a table, so it is made again. And one execution whose keys of
-- limits are damaged no longer keeps all others from becoming due with it.

create table hydra_limit_made_again (
    namespace text not null,
    kind text not null,
    name text not null,
    count integer not null,
    per_us integer not null,
    burst integer not null,
    set_count integer,
    set_per_us integer,
    set_burst integer,
    primary key (namespace, kind, name)
) without rowid;

insert into hydra_limit_made_again (
    namespace, kind, name, count, per_us, burst, set_count, set_per_us, set_burst
)
select namespace, kind, name, count, per_us, burst, set_count, set_per_us, set_burst
from hydra_limit;

drop table hydra_limit;

alter table hydra_limit_made_again rename to hydra_limit;

drop trigger hydra_gate_due;

-- Due again after it slept, waited, was parked or failed, was delayed, or is to be undone. Only an
-- execution that was just given the slot of its key goes on.
create trigger hydra_gate_due after update of status, wake_at on hydra_execution
    when new.gate is not null
        and new.status = 'pending' and new.wake_at is null
        and not (
            old.status = 'running'
            or (old.status = 'pending' and old.wake_at is null)
        )
begin
    update hydra_execution
    set wake_at = 9223372036854775807,
        gate = coalesce(
            (
                select limit_keys ->> '$[0]'
                from hydra_submission
                where execution_id = new.id
                    and json_valid(limit_keys)
                    and json_type(limit_keys, '$[0]') = 'text'
            ),
            new.gate
        ),
        priority = coalesce(own_priority, priority),
        own_priority = null,
        own_run_at = null
    where id = new.id
        and not (
            old.status = 'pending' and old.wake_at = 9223372036854775807
            and exists (
                select 1 from hydra_slot
                where namespace = new.namespace and limit_key = old.gate and execution_id = new.id and bound > 0
            )
        );
    insert into hydra_gate_call (namespace, limit_key)
    select namespace, gate from hydra_execution where id = new.id and wake_at is not null
    union
    select e.namespace, s.limit_key
    from hydra_execution as e
    join hydra_slot as s on s.execution_id = e.id
    where e.id = new.id and e.wake_at is not null;
    delete from hydra_slot
    where execution_id = (select id from hydra_execution where id = new.id and wake_at is not null)
        and limit_key like 'concurrency:%';
    update hydra_slot
    set bound = 0
    where execution_id = (select id from hydra_execution where id = new.id and wake_at is not null);
end;

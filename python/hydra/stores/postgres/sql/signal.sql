-- Index: primary keys of hydra_execution and hydra_message. Locks each row, in the order of the ids, before it decides (R14): what
-- waits is due, what does not will not suspend before it has looked. A message that is there stays as it is (R18).
with locked as materialized (
    select e.id, e.status
    from hydra_execution as e
    where e.id = any(%(ids)s)
        and e.namespace = %(namespace)s
    order by e.id
    for update
), put as (
    insert into hydra_message (execution_id, id, sent_at, name, payload)
    select locked.id, i.id, i.sent_at, i.name, i.payload
    from unnest(%(execution_ids)s, %(message_ids)s, %(sent_ats)s, %(names)s, %(payloads)s)
        as i (execution_id, id, sent_at, name, payload)
    join locked on locked.id = i.execution_id
    order by locked.id, i.id
    on conflict (execution_id, id) do nothing
)
update hydra_execution as e
set status = case when e.status = 'waiting' then 'pending' else e.status end,
    run_at = case when e.status = 'waiting' then %(now)s else e.run_at end,
    wake_at = case when e.status = 'waiting' then null else e.wake_at end,
    wake_seq = e.wake_seq + 1
from locked
where e.id = any(array[locked.id])
returning e.id::text, locked.status

-- Index: primary keys of hydra_execution and hydra_message. Locks each row, in the order of the ids, before it decides
-- (R14): what waits is due, what does not will not suspend before it has looked. A message that is there stays as it is
-- (R18). Numbers are given under the lock, so they are the order in which callers were answered.
with locked as materialized (
    select e.id, e.status, e.wake_seq
    from hydra_execution as e
    where e.id = any(%(ids)s)
        and e.namespace = %(namespace)s
    order by e.id
    for update  -- guard R14: a signal locks the row before it decides
), put as (
    insert into hydra_message (execution_id, id, sent_at, number, name, payload)
    select
        locked.id,
        i.id,
        i.sent_at,
        locked.wake_seq + row_number() over (partition by locked.id order by i.place),
        i.name,
        i.payload
    from unnest(%(execution_ids)s, %(message_ids)s, %(sent_ats)s, %(places)s, %(names)s, %(payloads)s)
        as i (execution_id, id, sent_at, place, name, payload)
    join locked on locked.id = i.execution_id
    order by locked.id, i.place
    on conflict (execution_id, id) do nothing  -- guard R17: a message that is there is not put again
)
update hydra_execution as e
set status = case when e.status = 'waiting' then 'pending' else e.status end,
    run_at = case when e.status = 'waiting' then %(now)s else e.run_at end,
    wake_at = case when e.status = 'waiting' then null else e.wake_at end,
    wake_seq = e.wake_seq + i.message_count  -- guard R14: a signal raises wake_seq
from locked
join unnest(%(ids)s, %(message_counts)s) as i (id, message_count) on i.id = locked.id
where e.id = any(array[locked.id])
returning e.id::text, locked.status

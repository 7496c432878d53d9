-- Index: primary keys of hydra_execution and hydra_message. Locks each row, in the order of the ids, before it decides
-- (R14): what waits is due, what does not will not suspend before it has looked. A message that is there stays as it is
-- (R18). Numbers are given under the lock, so they are the order in which callers were answered.
with message as materialized (
    select
        locked.id as execution_id,
        locked.status,
        i.id,
        i.sent_at,
        locked.wake_seq + row_number() over (partition by locked.id order by i.place) as number,
        i.name,
        i.payload
    from (
        select *
        from unnest(%(execution_ids)s, %(message_ids)s, %(sent_ats)s, %(places)s, %(names)s, %(payloads)s)
            as i (execution_id, id, sent_at, place, name, payload)
        order by i.execution_id, i.place
    ) as i
    cross join lateral (
        select e.id, e.status, e.wake_seq
        from hydra_execution as e
        where e.id = i.execution_id
            and e.namespace = %(namespace)s
        for update  -- guard R14: a signal locks the row before it decides
    ) as locked
), put as (
    insert into hydra_message (execution_id, id, sent_at, number, name, payload)
    select m.execution_id, m.id, m.sent_at, m.number, m.name, m.payload
    from message as m
    on conflict (execution_id, id) do nothing  -- guard R17: a message that is there is not put again
), receiver as materialized (
    select m.execution_id as id, m.status, count(*)::integer as message_count
    from message as m
    group by m.execution_id, m.status
)
update hydra_execution as e
set status = case when e.status = 'waiting' then 'pending' else e.status end,
    run_at = case when e.status = 'waiting' then %(now)s else e.run_at end,
    wake_at = case when e.status = 'waiting' then null else e.wake_at end,
    wake_seq = e.wake_seq + i.message_count  -- guard R14: a signal raises wake_seq
from receiver as i
where e.id = any(array[i.id])
returning e.id::text, i.status

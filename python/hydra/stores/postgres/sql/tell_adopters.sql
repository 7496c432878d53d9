-- Index: hydra_child_adopted, primary keys for the rest. Who adopted a child while it was ending was not seen by that statement: this
-- one sees it. What is adopted is rare, and gone from here once told.
with ended as materialized (
    select
        c.child_id as id,
        c.request_id,
        true as is_child,
        coalesce(o.status, 'failed') as status,
        coalesce(o.cause, %(purged)s) as cause,
        l.payload
    from hydra_child as c
    left join hydra_outcome as o on o.execution_id = any(array[c.child_id])
    left join hydra_claim as l on l.execution_id = any(array[o.execution_id]) and l.epoch = o.epoch and l.ending = o.status
    where c.child_id <> c.request_id
        and (o.execution_id is not null or not exists (select 1 from hydra_execution as e where e.id = any(array[c.child_id])))
), link as (
    delete from hydra_child as c
    using ended
    where ended.is_child
        and c.child_id = any(array[ended.id])
        and c.request_id = ended.request_id
    returning c.child_id, c.request_id, c.parent_id
), parent as materialized (
    select e.id
    from hydra_execution as e
    where e.id = any(array(select link.parent_id from link))
    order by e.id
    for update
), woken as (
    update hydra_execution as e
    set status = case when e.status = 'waiting' then 'pending' else e.status end,
        run_at = case when e.status = 'waiting' then %(now)s else e.run_at end,
        wake_at = case when e.status = 'waiting' then null else e.wake_at end,
        wake_seq = e.wake_seq + 1
    from parent
    where e.id = any(array[parent.id])
    returning e.id
)
insert into hydra_message (execution_id, id, sent_at, name, payload)
select
    link.parent_id,
    link.request_id,
    %(now)s,
    'hydra.child:' || link.request_id,
    convert_to(ended.status, 'UTF8') || decode('00', 'hex') || convert_to(ended.cause, 'UTF8') || decode('00', 'hex') || coalesce(ended.payload, ''::bytea)
from link
join woken on woken.id = link.parent_id
join ended on ended.id = link.child_id and ended.request_id = link.request_id
on conflict (execution_id, id) do nothing

-- Index: primary keys of hydra_outcome and hydra_execution. A later statement than the lock: a root that was retried
-- meanwhile keeps its tree, and so does one of whose tree anything is open again (R26).
with locked as materialized (
    select o.execution_id
    from unnest(%(ids)s, %(root_ids)s) as i (id, root_id)
    join hydra_outcome as o on o.execution_id = any(array[i.id])
    join hydra_outcome as r on r.execution_id = any(array[i.root_id])
    where r.namespace = %(namespace)s
        and r.finished_at < %(older_than)s  -- guard R26: a root is asked again once it is locked
        and not exists (
            select 1
            from hydra_descendant as d
            join hydra_execution as e on e.id = any(array[d.execution_id])
            where d.root_id = any(array[i.root_id])
        )
), gone as (
    delete from hydra_outcome as o
    using locked
    where o.execution_id = any(array[locked.execution_id])
    returning o.execution_id, o.namespace, o.workflow, o.status
), counted as (
    insert into hydra_count (namespace, workflow, status, count)
    select g.namespace, g.workflow, g.status, -count(*)
    from gone as g
    group by g.namespace, g.workflow, g.status
), submission as (
    delete from hydra_submission as s
    using gone
    where s.execution_id = any(array[gone.execution_id])
), record as (
    delete from hydra_record as r
    using gone
    where r.execution_id = any(array[gone.execution_id])
), message as (
    delete from hydra_message as m
    using gone
    where m.execution_id = any(array[gone.execution_id])
), consumed as (
    delete from hydra_consumed as c
    using gone
    where c.execution_id = any(array[gone.execution_id])
), former as (
    delete from hydra_former_key as f
    using gone
    where f.execution_id = any(array[gone.execution_id])
), progress as (
    delete from hydra_progress as p
    using gone
    where p.execution_id = any(array[gone.execution_id])
), descendant as (
    delete from hydra_descendant as d
    using gone
    where d.execution_id = any(array[gone.execution_id])
), child as (
    delete from hydra_child as c
    using gone
    where c.parent_id = any(array[gone.execution_id])
), attribute as (
    delete from hydra_attribute as t
    using gone
    where t.execution_id = any(array[gone.execution_id])
), slot as (
    delete from hydra_slot as o
    using gone
    where o.execution_id = any(array[gone.execution_id])
), act as (
    delete from hydra_act as a
    using gone
    where a.execution_id = any(array[gone.execution_id])
        and a.kind <> 'delete'
), claim as (  -- guard R24: a key outlives a purge
    delete from hydra_claim as c
    using gone
    where c.execution_id = any(array[gone.execution_id])
)
select execution_id::text
from gone

-- Index: primary key of hydra_outcome. First, and under the rows' locks: whoever retries one meanwhile keeps it (R26).
with locked as materialized (
    select o.execution_id
    from hydra_outcome as o
    where o.execution_id = any(%(ids)s)
        and o.namespace = %(namespace)s
        and o.finished_at < %(older_than)s
    order by o.execution_id
    for update
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
), progress as (
    delete from hydra_progress as p
    using gone
    where p.execution_id = any(array[gone.execution_id])
), child as (
    delete from hydra_child as c
    using gone
    where c.parent_id = any(array[gone.execution_id])
), claim as (
    delete from hydra_claim as c
    using gone
    where c.execution_id = any(array[gone.execution_id])
)
select execution_id::text
from gone

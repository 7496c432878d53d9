-- Index: primary keys of all six tables. A later statement of the transaction in which commit_ends took the executions
-- and their last records: it locks no row that is not locked already. The digest stays: it is the key's, and says what
-- was first asked for.
with continued as materialized (
    select i.id, i.input
    from unnest(%(ids)s, %(inputs)s) as i (id, input)
), started as (
    update hydra_execution as e
    set record_count = 0,
        attempt = 1
    from continued
    where e.id = any(array[continued.id])
), forgotten as (
    delete from hydra_record as r
    using continued
    where r.execution_id = any(array[continued.id])
    returning r.execution_id, r.kind, r.name, r.digest
), kept as (
    insert into hydra_consumed (execution_id, message_id)
    select f.execution_id, f.digest
    from forgotten as f
    where f.kind = 'event'
        and (f.name like 'hydra.event:%%' or f.name like 'hydra.set_aside:hydra.event:%%')
    on conflict (execution_id, message_id) do nothing
), unsaid as (
    delete from hydra_progress as p
    using continued
    where p.execution_id = any(array[continued.id])
), unasked as (
    delete from hydra_message as m
    using continued
    where m.execution_id = any(array[continued.id])
        and (m.name like 'hydra.child:%%' or m.name like 'hydra.spawned:%%' or m.name like 'hydra.callback:%%')
)
update hydra_submission as s
set input = continued.input
from continued
where s.execution_id = any(array[continued.id])

-- Index: primary keys of hydra_key, hydra_former_key, hydra_execution and hydra_act. After add_former_keys: what gives
-- its key up while it is open has a line that says so.
insert into hydra_act (execution_id, id, namespace, kind, done_at, done_by, reason, detail)
select
    e.id, r.value ->> 2, e.namespace, 'key_passed', :now, 'a submission', '',
    'its key is that of execution `' || (r.value ->> 2) || '`'
from json_each(:rows) as r
cross join hydra_key as k
    on k.namespace = :namespace
    and k.workflow = r.value ->> 0
    and k.key = r.value ->> 1
cross join hydra_former_key as f on f.execution_id = k.execution_id
cross join hydra_execution as e on e.id = k.execution_id
where r.value ->> 3 is not null
    and e.status not in ('completed', 'failed', 'cancelled')
on conflict (execution_id, id) do nothing

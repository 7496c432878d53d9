-- Index: primary keys of hydra_key and hydra_execution. What has ended gives its key up, or, where an instant is given,
-- what took it by then; not to a submission that was made before (R17).
insert into hydra_former_key (execution_id)
select k.execution_id
from json_each(:rows) as r
cross join hydra_key as k
    on k.namespace = :namespace
    and k.workflow = r.value ->> 0
    and k.key = r.value ->> 1
cross join hydra_execution as e on e.id = k.execution_id
where (
    case
        when r.value ->> 3 is null then e.status in ('completed', 'failed', 'cancelled')
        else k.created_at <= r.value ->> 3
    end
)
    and k.execution_id <> r.value ->> 2
    and not exists (select 1 from hydra_execution as own where own.id = r.value ->> 2)
on conflict (execution_id) do nothing

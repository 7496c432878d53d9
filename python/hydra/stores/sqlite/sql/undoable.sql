-- Index: primary key of hydra_record. Those that have registered what undoes them: they end only once that has run.
select json_group_array(i.value)
from json_each(:ids) as i
where exists (
    select 1
    from hydra_record as r
    where r.execution_id = i.value
        and r.name = 'hydra.on_failure'
)

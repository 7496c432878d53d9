-- Index: primary keys of hydra_message and hydra_record. A message that was consumed is not put again (R17).
insert into hydra_message (execution_id, id, name, payload, sent_at)
select row.column1, row.column2, row.column3, row.column4, row.column5
from (values (?, ?, ?, ?, ?, ?)) as row
where not exists (
    select 1
    from hydra_record as r
    where r.execution_id = row.column1
        and r.kind = 'event'
        and r.digest = row.column6
)
on conflict (execution_id, id) do nothing

-- Index: primary keys of hydra_message, hydra_record and hydra_consumed. A message that was consumed, by this generation or one
-- before it, is not put again (R17).
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
and not exists (
    select 1
    from hydra_consumed as c
    where c.execution_id = row.column1
        and c.message_id = row.column6
)
on conflict (execution_id, id) do nothing

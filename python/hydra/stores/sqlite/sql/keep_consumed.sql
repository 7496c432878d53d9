-- Index: primary key of hydra_record, whose rows are deleted next. Which signals a generation consumed, so that none
-- arrives again.
insert into hydra_consumed (execution_id, message_id)
select execution_id, digest
from hydra_record
where execution_id in (select value from json_each(:ids))
    and kind = 'event'
    and (name glob 'hydra.event:*' or name glob 'hydra.set_aside:hydra.event:*')
on conflict (execution_id, message_id) do nothing

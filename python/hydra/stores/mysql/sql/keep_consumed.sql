-- Index: primary key of hydra_record, whose rows are deleted next; the executions are locked by `commit_read`. Which
-- signals a generation consumed, so that none arrives again.
insert into hydra_consumed (execution_id, message_id)
select execution_id, digest
from hydra_record force index (primary)
where execution_id in ({ids})
    and kind = 'event'
    and (name like 'hydra.event:%' or name like 'hydra.set_aside:hydra.event:%')
on duplicate key update message_id = hydra_consumed.message_id

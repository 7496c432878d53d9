-- Index: primary keys of hydra_record and hydra_consumed; the executions are locked. A message that was consumed, by this generation
-- or one before it, is not put again (R17).
select execution_id, digest
from hydra_record
where execution_id in ({ids})
    and kind = 'event'
union all
select execution_id, message_id
from hydra_consumed
where execution_id in ({ids})

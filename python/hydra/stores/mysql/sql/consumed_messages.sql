-- Index: primary key of hydra_record; the executions are locked. A message that was consumed is not put again (R17).
select execution_id, digest
from hydra_record
where execution_id in ({ids})
    and kind = 'event'

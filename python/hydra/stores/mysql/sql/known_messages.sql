-- Index: primary keys of hydra_message, hydra_record and hydra_consumed; the executions are locked. Those of these
-- messages that were put before: one that was consumed, by this generation or one before it, is not put again (R17). Of
-- the latter no name is known.
select execution_id, id, name, payload
from hydra_message force index (primary)
where execution_id in ({ids})
    and id in ({messages})  -- guard R17: a message that is there is not put again
union all
select execution_id, digest, name, payload
from hydra_record force index (primary)
where execution_id in ({ids})
    and kind = 'event'
    and digest in ({messages})  -- guard R17: a message that was consumed is not put again
union all
select execution_id, message_id, null, x''
from hydra_consumed force index (primary)
where execution_id in ({ids})
    and message_id in ({messages})  -- guard R17: nor one that an earlier generation consumed

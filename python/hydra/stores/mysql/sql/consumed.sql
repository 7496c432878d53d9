-- Index: primary key of hydra_record. What was consumed is not put again (R17); its execution is locked.
select execution_id, digest
from hydra_record force index (primary)
where execution_id in ({ids})
    and kind = 'event'

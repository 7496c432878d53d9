-- Index: primary key of hydra_record, the last entry of each range. A later statement than the lock (R12).
select execution_id, max(seq)
from hydra_record
where execution_id in ({ids})
group by execution_id

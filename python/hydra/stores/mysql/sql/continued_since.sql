-- Index: primary key of hydra_claim; the executions are locked. Where a generation ended last: what was recorded before
-- is forgotten.
select execution_id, max(epoch)
from hydra_claim
where execution_id in ({ids})
    and ending = 'continued'
group by execution_id

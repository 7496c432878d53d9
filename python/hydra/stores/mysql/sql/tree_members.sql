-- Index: hydra_descendant's by_root. No more of them than may go.
select root_id, execution_id
from hydra_descendant force index (by_root)
where root_id in ({ids})
limit {limit}

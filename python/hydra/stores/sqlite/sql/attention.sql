-- Index: hydra_execution_attention.
select id, epoch, attention
from hydra_execution indexed by hydra_execution_attention
where owner = :node
    and owner is not null
    and attention is not null

-- Index: hydra_execution_attention, primary key of hydra_pause.
select id, epoch, attention
from hydra_execution indexed by hydra_execution_attention
where owner = :node
    and owner is not null
    and attention is not null
union all
select name, 0, 'drain'
from hydra_pause
where namespace = :namespace
    and kind = 'node'
    and name = :node

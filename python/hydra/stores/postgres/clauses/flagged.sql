-- Index: primary key of hydra_execution. What runs is only asked to end (R10), and hears of its children's ends.
update hydra_execution as e
set attention = {attention},
    wake_seq = e.wake_seq + (select count(*) from link where link.parent_id = e.id)::integer
from {chosen}
where e.id = any(array[{chosen}.id])
    and {chosen}.status = 'running'
returning e.id, e.wake_seq

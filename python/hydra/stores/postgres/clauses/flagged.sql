-- Index: primary key of hydra_execution. What runs is only asked to end (R10), and hears of its children's ends.
update hydra_execution as e
set attention = {attention},
    wake_seq = e.wake_seq + stirred.message_count
from stirred
where e.id = any(array[stirred.id])
    and stirred.status = 'running'
returning e.id

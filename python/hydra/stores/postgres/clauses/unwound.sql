-- Index: primary key of hydra_execution. What has something to undo is due, and ends once that was undone.
update hydra_execution as e
set status = 'pending',
    owner = null,  -- it is: but the row is checked as the snapshot has it, before it is looked at once more
    attention = {attention},
    run_at = %(now)s,
    wake_at = null,
    wake_seq = e.wake_seq + stirred.message_count
from stirred
where e.id = any(array[stirred.id])
    and stirred.status <> 'running'
    and stirred.is_undoable
returning e.id

-- Index: primary key of hydra_execution. What has something to undo is due, and ends once that was undone.
update hydra_execution as e
set status = 'pending',
    owner = null,  -- it is: but the row is checked as the snapshot has it, before it is looked at once more
    attention = {attention},
    run_at = %(now)s,
    wake_at = null,
    wake_seq = e.wake_seq + (select count(*) from link where link.parent_id = e.id)::integer
from {chosen}
where e.id = any(array[{chosen}.id])
    and {chosen}.status <> 'running'
    and {chosen}.is_undoable
returning e.id, e.wake_seq

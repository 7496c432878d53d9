-- Index: primary key of hydra_execution. Under the write lock: what it says stays true until this transaction ends.
select json_group_array(json_array(
    e.id, e.epoch, e.workflow, e.record_count, e.attempt, e.claimed_at, e.wake_seq, e.attention, e.death_count,
    e.alone_death_count, e.epoch, e.is_child
))
from json_each(:ids) as i
cross join hydra_execution as e on e.id = i.value
where e.owner = :node  -- guard R10: a commit compares the owner
    and e.status = 'running'

-- Index: primary keys of hydra_execution and hydra_record. Under the write lock: what it says stays true until this
-- transaction ends.
select json_group_array(json_array(
    e.id, e.epoch, e.workflow, (select coalesce(max(r.seq), 0) from hydra_record as r where r.execution_id = e.id),
    e.attempt, e.claimed_at, e.wake_seq, e.attention, e.death_count, e.alone_death_count, e.epoch, e.is_child
))
from json_each(:ids) as i
cross join hydra_execution as e on e.id = i.value
where e.owner = :node  -- guard R10: a commit compares the owner
    and e.status = 'running'

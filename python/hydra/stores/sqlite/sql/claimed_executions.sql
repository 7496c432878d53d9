-- Index: primary keys of hydra_execution, hydra_submission and hydra_record.
select json_group_array(json_array(
    e.id, e.epoch, e.workflow, s.key, hex(s.input), e.attempt, e.priority, e.run_at, e.claimed_at, s.submitted_at,
    e.timeout_at, e.wake_seq, e.attention, e.death_count, e.alone_death_count, s.tags,
    exists (select 1 from hydra_record as r where r.execution_id = e.id)
))
from json_each(:ids) as i
cross join hydra_execution as e on e.id = i.value
cross join hydra_submission as s on s.execution_id = e.id
where e.owner = :node

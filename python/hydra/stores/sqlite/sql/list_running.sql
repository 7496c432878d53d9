-- Index: hydra_execution_owner; as many rows as run.
select e.id
from hydra_execution as e indexed by hydra_execution_owner
cross join hydra_submission as s on s.execution_id = e.id
where e.owner is not null
    and e.namespace = :namespace
    and e.id < coalesce(:before, x'')
    and e.id > coalesce(:after, '')
    and (:since is null or s.submitted_at >= :since)
    and (:until is null or s.submitted_at < :until)
    and (:workflow is null or e.workflow = :workflow)
    {keyed_and_tagged}
order by e.id desc
limit :limit

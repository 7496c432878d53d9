-- Index: hydra_execution_workflow, from the newest end of one workflow; primary key of hydra_submission.
select e.id
from hydra_execution as e indexed by hydra_execution_workflow
cross join hydra_submission as s on s.execution_id = e.id
where e.namespace = :namespace
    and e.workflow = :workflow
    and e.id < coalesce(:before, x'')
    and e.id > coalesce(:after, '')
    and (:since is null or s.submitted_at >= :since)
    and (:until is null or s.submitted_at < :until)
    and (:status is null or e.status = :status)
    {keyed_and_tagged}
order by e.id desc
limit :limit

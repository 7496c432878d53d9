-- Index: primary key of hydra_execution, from its newest end. A blob is greater than every text.
-- With `+` a column has no other index.
select e.id
from hydra_execution as e
cross join hydra_submission as s on s.execution_id = e.id
where +e.namespace = :namespace
    and e.id < coalesce(:before, x'')
    and e.id > coalesce(:after, '')
    and (:since is null or s.submitted_at >= :since)
    and (:until is null or s.submitted_at < :until)
    and (:status is null or e.status = :status)
    and (:workflow is null or e.workflow = :workflow)
    {keyed_and_tagged}
order by e.id desc
limit :limit

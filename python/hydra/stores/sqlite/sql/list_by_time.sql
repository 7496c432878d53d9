-- Index: hydra_submission_time; what lies between is sorted by id, so it must be little. Primary keys for the rest.
select i.execution_id
from (
    select execution_id
    from hydra_submission indexed by hydra_submission_time
    where submitted_at >= coalesce(:since, 0)
        and submitted_at < coalesce(:until, 9223372036854775807)
        and execution_id < coalesce(:before, x'')
        and execution_id > coalesce(:after, '')
    order by execution_id desc
    limit -1
) as i
cross join hydra_execution as e on e.id = i.execution_id
cross join hydra_submission as s on s.execution_id = e.id
where e.namespace = :namespace
    and (:status is null or e.status = :status)
    and (:workflow is null or e.workflow = :workflow)
    {keyed_and_tagged}
limit :limit

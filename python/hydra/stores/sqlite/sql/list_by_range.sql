-- Index: hydra_attribute_value; what lies in the range is sorted by id, so it must be little.
select a.execution_id
from hydra_attribute as a indexed by hydra_attribute_value
cross join hydra_execution as e on e.id = a.execution_id
cross join hydra_submission as s on s.execution_id = e.id
where a.namespace = :namespace
    and a.name = :name
    and a.value >= :low
    and a.value < :high
    and a.execution_id < coalesce(:before, x'')
    and a.execution_id > coalesce(:after, '')
    and (:since is null or s.submitted_at >= :since)
    and (:until is null or s.submitted_at < :until)
    and (:status is null or e.status = :status)
    and (:workflow is null or e.workflow = :workflow)
    {keyed_and_tagged}
    {has_others}
order by a.execution_id desc
limit :limit

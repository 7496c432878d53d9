-- Scans hydra_execution with hydra_record in primary key order. What runs may have more records than when its claim
-- began.
select 'R13', e.id, 'record_count is ' || e.record_count || ', the log has ' || coalesce(r.count, 0)
    || ' records up to number ' || coalesce(r.last, 0)
from hydra_execution as e
left join (
    select execution_id, count(*) as count, max(seq) as last
    from hydra_record
    group by execution_id
) as r on r.execution_id = e.id
where e.namespace = :namespace
    and (
        coalesce(r.count, 0) <> coalesce(r.last, 0)
        or coalesce(r.count, 0) < e.record_count
        or (coalesce(r.count, 0) > e.record_count and e.owner is null)
    )

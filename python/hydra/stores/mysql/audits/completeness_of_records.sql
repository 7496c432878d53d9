-- Scans hydra_execution with hydra_record in primary key order.
select 'R13', e.id, concat('record_count is ', e.record_count, ', the log has ', count(r.seq), ' records up to number ',
    coalesce(max(r.seq), 0))
from hydra_execution as e
left join hydra_record as r on r.execution_id = e.id
where e.namespace = {namespace}
group by e.id, e.record_count
having count(r.seq) <> e.record_count
    or coalesce(max(r.seq), 0) <> e.record_count

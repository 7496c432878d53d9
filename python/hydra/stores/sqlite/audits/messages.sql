-- Scans hydra_message, and hydra_record of what has messages; primary key of hydra_execution. Both are sorted by what
-- they have in common, the message's id, so that none is held against all others of its execution.
select 'R26', m.execution_id, 'the message `' || m.id || '` has no execution'
from hydra_message as m
where not exists (select 1 from hydra_execution as e where e.id = m.execution_id)
union all
select 'G3', b.execution_id, 'the message `' || max(b.message_id) || '` was consumed by record ' || min(b.seq)
    || ' and is still there'
from (
    select m.execution_id, upper(replace(m.id, '-', '')) as octets, m.id as message_id, null as seq
    from hydra_message as m
    join hydra_execution as e on e.id = m.execution_id and e.namespace = :namespace
    union all
    select r.execution_id, hex(r.digest), null, r.seq
    from hydra_record as r
    where r.kind = 'event'
        and r.execution_id in (select m.execution_id from hydra_message as m)
) as b
group by b.execution_id, b.octets
having max(b.message_id) is not null and min(b.seq) is not null

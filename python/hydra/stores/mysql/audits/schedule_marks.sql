-- Scans hydra_key, from each tick by primary key to hydra_schedule. No tick that was fired lies behind the mark.
select 'R25', k.execution_id, concat('schedule `', s.name, '` has not come to tick `', k.idempotency_key,
    '`, which was fired')
from hydra_key as k
straight_join hydra_schedule as s on s.namespace = k.namespace and s.name = k.workflow
where k.namespace = {namespace}
    and k.idempotency_key like 'hydra.tick:%'
    and k.idempotency_key > cast(concat(
        'hydra.tick:',
        date_format(date_add('1970-01-01 00:00', interval floor(s.mark_at / 1000000) second), '%Y-%m-%dT%H:%iZ')
    ) as binary)
union all
select 'R25', x'', concat('schedule `', s.name, '` goes on with a tick it has seen to')
from hydra_schedule as s
where s.namespace = {namespace}
    and s.next_at <= s.mark_at

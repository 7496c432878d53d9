-- Scans hydra_schedule, which is small, and hydra_key by its primary key. No tick that was fired lies behind the mark.
select 'R25', k.execution_id, 'schedule `' || s.name || '` has not come to tick `' || k.key || '`, which was fired'
from hydra_schedule as s
join hydra_key as k on k.namespace = s.namespace and k.workflow = s.name and k.key like 'hydra.tick:%'
where s.namespace = :namespace
    and k.key > 'hydra.tick:' || strftime('%Y-%m-%dT%H:%MZ', s.mark_at / 1000000, 'unixepoch')
union all
select 'R25', '', 'schedule `' || s.name || '` goes on with a tick it has seen to'
from hydra_schedule as s
where s.namespace = :namespace
    and s.next_at <= s.mark_at

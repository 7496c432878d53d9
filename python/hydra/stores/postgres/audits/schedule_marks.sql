-- Scans hydra_schedule, which is small, and hydra_key by its primary key. No tick that was fired lies behind the mark.
select
    'R25',
    k.execution_id::text,
    format('schedule `%%s` has not come to tick `%%s`, which was fired', s.name, k.key)
from hydra_schedule as s
join hydra_key as k on k.namespace = s.namespace and k.workflow = s.name and k.key like 'hydra.tick:%%'
where s.namespace = %(namespace)s
    and k.key collate "C" > 'hydra.tick:'
        || to_char(timestamp '1970-01-01' + s.mark_at / 1000000 * interval '1 second', 'YYYY-MM-DD"T"HH24:MI"Z"')
union all
select 'R25', '', format('schedule `%%s` goes on with a tick it has seen to', s.name)
from hydra_schedule as s
where s.namespace = %(namespace)s
    and s.next_at <= s.mark_at

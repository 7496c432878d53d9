-- Index: primary key of hydra_former_key. What was run again is never retried, also where it has no key; the outcomes
-- are locked.
insert into hydra_former_key (execution_id)
select i.id
from unnest(%(ids)s) as i (id)
order by i.id
on conflict (execution_id) do nothing

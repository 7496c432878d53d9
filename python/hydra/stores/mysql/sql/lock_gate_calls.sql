-- Index: primary key of hydra_gate_call. What another node takes at this moment is left to it.
select id, limit_key
from hydra_gate_call force index (primary)
where id in ({ids})
order by id
for update skip locked

-- Index: primary key of hydra_move, which is small. `hydra move` makes the table when it needs it.
select role, id, state, other
from hydra_move
where namespace = %(namespace)s
    and role in ('source', 'target')
order by role

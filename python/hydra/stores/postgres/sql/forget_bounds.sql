-- Index: primary key of hydra_limit. The code bounds them no more; what an operator has set stays.
update hydra_limit as l
set count = 0
where l.namespace = %(namespace)s
    and l.kind = 'pending'
    and l.name = any(%(names)s)
    and l.count <> 0

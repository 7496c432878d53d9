-- Index: primary key of hydra_limit. The code bounds them no more; what an operator has set stays.
update hydra_limit
set count = 0
where namespace = :namespace
    and kind = 'pending'
    and name in (select value from json_each(:names))
    and count <> 0

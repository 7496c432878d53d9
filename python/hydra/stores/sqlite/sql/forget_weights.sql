-- Index: primary key of hydra_weight, the keys of one limit. The code names these values no more.
update hydra_weight
set weight = null
where namespace = :namespace
    and limit_key >= :first
    and limit_key < :last
    and limit_key not in (select value ->> 0 from json_each(:rows))

-- Index: hydra_attribute_value; no further than `limit`.
select count(*)
from (
    select 1
    from hydra_attribute
    where namespace = :namespace
        and name = :name
        and value >= :low
        and value < :high
    limit :limit
)

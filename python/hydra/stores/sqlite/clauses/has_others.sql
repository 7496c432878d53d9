-- Index: primary key of hydra_attribute. Whether what was found by an attribute has the others that are asked for.
and (
    :others is null
    or (
        select count(*)
        from json_each(:others) as wanted
        cross join hydra_attribute as o on o.execution_id = a.execution_id and o.name = wanted.value ->> 0
        where hex(o.value) >= wanted.value ->> 1
            and hex(o.value) < wanted.value ->> 2
    ) = :other_count
)

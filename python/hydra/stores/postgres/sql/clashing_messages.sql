-- Index: primary keys of hydra_message and hydra_record. A later statement than the insert: of these messages those
-- whose id stands for another name or payload, be it consumed or not. What was set aside is said with its record.
select i.place, null::text, null::bytea
from unnest(%(execution_ids)s, %(message_ids)s, %(places)s, %(names)s, %(payloads)s) as i (execution_id, id, place,
    name, payload)
where exists (
    select 1
    from hydra_message as m
    where m.execution_id = i.execution_id
        and m.id = i.id
        and (m.name <> i.name or m.payload <> i.payload)
)
or exists (
    select 1
    from hydra_record as r
    where r.execution_id = any(array[i.execution_id])
        and r.kind = 'event'
        and r.digest = uuid_send(i.id)
        and r.name not like 'hydra.set_aside:%%'
        and (r.name not in (i.name, 'hydra.event:' || i.name) or r.payload <> i.payload)
)
union all
select i.place, r.name, r.payload
from unnest(%(execution_ids)s, %(message_ids)s, %(places)s) as i (execution_id, id, place)
join hydra_record as r on r.execution_id = any(array[i.execution_id])
where r.kind = 'event'
    and r.digest = uuid_send(i.id)
    and r.name like 'hydra.set_aside:%%'

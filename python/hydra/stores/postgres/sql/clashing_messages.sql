-- Index: primary keys of hydra_message and hydra_record. A later statement than the insert: of these messages those
-- whose id stands for another name or payload, be it consumed or not. What was set aside is said with its record. The
-- records of each execution are read once, whatever it is sent: `is true` makes a hash of them.
with event as materialized (
    select r.execution_id, r.digest, r.name, r.payload
    from hydra_record as r
    where r.execution_id = any(%(execution_ids)s)
        and r.kind = 'event'
        and ((r.execution_id, r.digest) in (
            select i.execution_id, uuid_send(i.id)
            from unnest(%(execution_ids)s, %(message_ids)s) as i (execution_id, id)
        )) is true
), aside as materialized (
    select e.execution_id, e.digest, e.name, e.payload
    from event as e
    where e.name like 'hydra.set_aside:%%'
), consumed as materialized (
    select e.execution_id, e.digest, e.name, e.payload
    from event as e
    where e.name not like 'hydra.set_aside:%%'
)
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
or (
    ((i.execution_id, uuid_send(i.id)) in (select c.execution_id, c.digest from consumed as c)) is true
    and ((i.execution_id, uuid_send(i.id), i.name, i.payload) in (
        select c.execution_id, c.digest, c.name, c.payload
        from consumed as c
        union all
        select c.execution_id, c.digest, substr(c.name, 1 + length('hydra.event:')), c.payload
        from consumed as c
        where c.name like 'hydra.event:%%'
    )) is not true
)
union all
select i.place, a.name, a.payload
from aside as a
join unnest(%(execution_ids)s, %(message_ids)s, %(places)s) as i (execution_id, id, place)
    on i.execution_id = a.execution_id
    and uuid_send(i.id) = a.digest

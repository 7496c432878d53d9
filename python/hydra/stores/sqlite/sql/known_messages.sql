-- Index: primary keys of hydra_message, hydra_record and hydra_consumed. Those of these messages that were put before:
-- a message that was consumed, by this generation or one before it, is not put again (R17). Of the latter no name is
-- known. The records of each execution are read once, whatever it is sent; those consumed go by their hexadecimal ids.
select json_group_array(json_array(execution_id, message_id, name, payload))
from (
    select m.execution_id, m.id as message_id, m.name, hex(m.payload) as payload
    from json_each(:rows) as i
    -- guard R17: a message that is there is not put again
    cross join hydra_message as m on m.execution_id = i.value ->> 0 and m.id = i.value ->> 1
    union all
    select r.execution_id, hex(r.digest), r.name, hex(r.payload)
    from hydra_record as r
    where r.execution_id in (select i.value ->> 0 from json_each(:rows) as i)
        and r.kind = 'event'  -- guard R17: a message that was consumed is not put again
        and (r.execution_id, hex(r.digest)) in (select i.value ->> 0, i.value ->> 2 from json_each(:rows) as i)
    union all
    select c.execution_id, hex(c.message_id), null, null
    from hydra_consumed as c
    where c.execution_id in (select i.value ->> 0 from json_each(:rows) as i)
        -- guard R17: nor one that an earlier generation consumed
        and (c.execution_id, hex(c.message_id)) in (select i.value ->> 0, i.value ->> 2 from json_each(:rows) as i)
)

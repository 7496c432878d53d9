-- Index: primary keys of hydra_message, hydra_record and hydra_consumed. Those of these messages that were put before:
-- a message that was consumed, by this generation or one before it, is not put again (R17). Of the latter no name is
-- known.
select json_group_array(json_array(execution_id, message_id, name, payload))
from (
    select m.execution_id, m.id as message_id, m.name, hex(m.payload) as payload
    from json_each(:rows) as i
    -- guard R17: a message that is there is not put again
    cross join hydra_message as m on m.execution_id = i.value ->> 0 and m.id = i.value ->> 1
    union all
    select r.execution_id, i.value ->> 1, r.name, hex(r.payload)
    from json_each(:rows) as i
    cross join hydra_record as r
        on r.execution_id = i.value ->> 0
        and r.kind = 'event'  -- guard R17: a message that was consumed is not put again
        and hex(r.digest) = i.value ->> 2
    union all
    select c.execution_id, i.value ->> 1, null, null
    from json_each(:rows) as i
    cross join hydra_consumed as c
        on c.execution_id = i.value ->> 0
        and hex(c.message_id) = i.value ->> 2  -- guard R17: nor one that an earlier generation consumed
)

-- Index: primary key of hydra_message. How a child ended, as child_records.tell_end says it.
insert into hydra_message (execution_id, id, sent_at, number, name, payload)
select
    heard.parent_id,
    heard.request_id,
    %(now)s,
    heard.number,
    'hydra.child:' || heard.request_id,
    convert_to(heard.status, 'UTF8') || decode('00', 'hex') || convert_to(heard.cause, 'UTF8') || decode('00', 'hex')
        || coalesce(heard.payload, ''::bytea)
from heard
on conflict (execution_id, id) do nothing

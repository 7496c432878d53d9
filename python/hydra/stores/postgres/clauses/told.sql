-- Index: primary key of hydra_message. How a child ended, as child_records.tell_end says it; who `of` has woken.
insert into hydra_message (execution_id, id, sent_at, number, name, payload)
select
    link.parent_id,
    link.request_id,
    %(now)s,
    {of}.wake_seq + 1 - row_number() over (partition by link.parent_id order by link.request_id desc),
    'hydra.child:' || link.request_id,
    convert_to({status}, 'UTF8') || decode('00', 'hex') || convert_to({cause}, 'UTF8') || decode('00', 'hex')
        || coalesce({payload}, ''::bytea)
from link

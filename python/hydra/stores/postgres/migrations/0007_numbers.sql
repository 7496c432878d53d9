-- additive
-- The order of messages, given under the execution's lock. Code that knows no numbers puts its messages under 0.

alter table hydra_message add column number bigint not null default 0;
create index hydra_message_number on hydra_message (execution_id, number);

update hydra_message as m
set number = known.place - 1000000000000
from (
    select execution_id, id, row_number() over (partition by execution_id order by sent_at, id) as place
    from hydra_message
) as known
where m.execution_id = known.execution_id
    and m.id = known.id;

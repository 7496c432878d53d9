-- additive
-- The order of messages, given under the execution's lock. Code that knows no numbers puts its messages under 0.

alter table hydra_message add column number integer not null default 0;
create index hydra_message_number on hydra_message (execution_id, number);

update hydra_message
set number = known.place - 1000000000000
from (
    select execution_id, id, row_number() over (partition by execution_id order by sent_at, id) as place
    from hydra_message
) as known
where hydra_message.execution_id = known.execution_id
    and hydra_message.id = known.id;

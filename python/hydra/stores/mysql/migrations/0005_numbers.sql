-- additive
-- The order of messages, given under the execution's lock, and their sizes. Code that knows neither puts its messages
-- under 0.

alter table hydra_message
    add column number bigint not null default 0,
    add column size bigint not null default 0,
    add key by_number (execution_id, number, size);

update hydra_message as m
join (
    select execution_id, id, row_number() over (partition by execution_id order by sent_at, id) as place
    from hydra_message
) as known on known.execution_id = m.execution_id and known.id = m.id
set m.number = known.place - 1000000000000,
    m.size = length(m.payload)
where m.number = 0;

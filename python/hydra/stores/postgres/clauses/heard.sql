-- Index: primary key of hydra_execution. Lock order: parents after their children, in the order of their ids; one that
-- has ended in this statement is passed over. Each message gets the next number after the row as it is once locked
-- (R14), in the order of the requests: a look-up for each link, since a join with what was locked would hold each link
-- against each parent.
select
    link.parent_id,
    link.request_id,
    parent.wake_seq + row_number() over (partition by link.parent_id order by link.request_id) as number,
    link.status,
    link.cause,
    link.payload
from (select * from link order by link.parent_id, link.request_id) as link
cross join lateral (
    select e.wake_seq
    from hydra_execution as e
    where e.id = link.parent_id
    for update
) as parent

-- Whoever hears of a child's end in a statement that changes a row once, by whichever change.
join (
    select id, wake_seq from woken
    union all
    select id, wake_seq from flagged
    union all
    select id, wake_seq from unwound
) as hearing on hearing.id = link.parent_id

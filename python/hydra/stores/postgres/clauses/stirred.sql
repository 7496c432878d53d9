-- What a statement that changes a row once changes: what it chose, with what that hears of its children, and whoever
-- else hears of one, whose status is null.
select
    s.id,
    max(s.status) as status,
    bool_or(s.is_undoable) as is_undoable,
    sum(s.message_count)::integer as message_count
from (
    select {chosen}.id, {chosen}.status, {chosen}.is_undoable, 0 as message_count
    from {chosen}
    union all
    select heard.parent_id, null, null, 1
    from heard
) as s
group by s.id

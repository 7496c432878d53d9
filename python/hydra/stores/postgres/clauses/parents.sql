-- Whoever hears of a child's end, and of how many.
select heard.parent_id as id, count(*)::integer as message_count
from heard
group by heard.parent_id

-- Index: primary key of hydra_child; its rows lead to themselves (see remove_deltas). The children have ended, so
-- nobody else writes these.
delete t
from hydra_child as c force index (primary)
straight_join hydra_child as t force index (primary) on t.child_id = c.child_id and t.request_id = c.request_id
where c.child_id in ({ids})
    and c.parent_id > x''

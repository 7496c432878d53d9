-- Index: primary key of hydra_node_beat.
insert into hydra_node_beat (node_id, counter, beat_at)  -- guard R1: nor does its beat
values ({node}, 0, {now})

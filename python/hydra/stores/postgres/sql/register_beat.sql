-- Index: primary key of hydra_node_beat.
insert into hydra_node_beat (node_id, counter, beat_at)
values (%(id)s, 0, %(now)s)
on conflict (node_id) do nothing

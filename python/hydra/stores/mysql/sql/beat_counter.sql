-- Index: primary key of hydra_node_beat. Read after the node's row was locked: no beat is under way any more.
select counter
from hydra_node_beat
where node_id = {node}

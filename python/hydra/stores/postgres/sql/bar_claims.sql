-- Index: primary key of hydra_node. Waits for what the node has under way; a claim that began before the pause was
-- committed, and comes after this, finds another count than its snapshot has.
update hydra_node as n
set pause_count = n.pause_count + 1
where n.id = %(node)s
    and n.namespace = %(namespace)s
    and n.state = 'alive'

-- Index: primary key of hydra_node. Any late transaction of the session before is refused from here on (R16).
update hydra_node
set session = session + 1
where id = :node
    and namespace = :namespace
    and state = 'alive'
returning session

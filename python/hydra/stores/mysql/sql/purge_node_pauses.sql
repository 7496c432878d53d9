-- Index: primary key of hydra_pause. With the nodes that were told to drain.
delete from hydra_pause
where namespace = {namespace}
    and kind = 'node'
    and name in ({names})

-- Index: primary key of hydra_message. What children and callbacks said that no body will ask for any more.
delete from hydra_message
where execution_id in (select value from json_each(:ids))
    and (name glob 'hydra.child:*' or name glob 'hydra.spawned:*' or name glob 'hydra.callback:*')

-- Index: primary key of hydra_act. That it was deleted, and by whom, stays.
delete from hydra_act
where execution_id in (select value from json_each(:ids))
    and kind <> 'delete'

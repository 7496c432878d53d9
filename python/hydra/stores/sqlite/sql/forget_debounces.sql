-- Index: primary key of hydra_act. Of a burst the last line is kept.
delete from hydra_act
where execution_id = :id
    and kind = 'debounce'

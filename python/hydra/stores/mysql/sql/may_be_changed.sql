-- Index: primary key of hydra_act. Whether an execution may have got other arguments since it was made.
select 1
from hydra_act
where execution_id = {id}
    and kind in ('debounce', 'reschedule')
limit 1

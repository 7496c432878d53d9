-- Index: primary key of hydra_record. Those that have registered what undoes them: they end only once that has run.
select distinct execution_id
from hydra_record force index (primary)
where execution_id in ({ids})
    and name = x'68796472612e6f6e5f6661696c757265'

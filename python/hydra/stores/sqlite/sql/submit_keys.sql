-- Index: primary key of hydra_key. Rows: see Batch in submission.py.
insert into hydra_key (namespace, workflow, key, execution_id, digest, created_at)
select
    :namespace,
    value ->> 1,
    value ->> 2,
    value ->> 0,
    substr(:bytes, value ->> 8, value ->> 9),
    :now
from json_each(:rows)
where value ->> 2 is not null
on conflict (namespace, workflow, key) do nothing

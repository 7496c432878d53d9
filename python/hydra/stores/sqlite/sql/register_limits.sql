-- Index: primary key of hydra_limit. What an operator has set stays.
insert into hydra_limit (namespace, kind, name, count, per_us, burst)
values (:namespace, :kind, :name, :count, :per_us, :burst)
on conflict (namespace, kind, name) do update
set count = excluded.count,
    per_us = excluded.per_us,
    burst = excluded.burst
where (count, per_us, burst) <> (excluded.count, excluded.per_us, excluded.burst)

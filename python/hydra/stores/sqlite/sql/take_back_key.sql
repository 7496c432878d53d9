-- Index: primary key of hydra_key. Of a submission that turns out to be made already, and has just written its key.
delete from hydra_key
where namespace = :namespace
    and workflow = :workflow
    and key = :key

-- additive
-- More kinds of acts: an execution that was run again, and the one that runs it again. Which kinds there are the code
-- says.

alter table hydra_act drop constraint if exists hydra_act_kind_check;

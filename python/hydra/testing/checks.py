"""`check_replays`: what `hydra check` does, for a test or a deploy script of one's own."""

from __future__ import annotations

from hydra.checking import Divergence, ReplayCheck
from hydra.client.engine import Engine
from hydra.workflow import registry


def check_replays(engine: Engine) -> list[Divergence]:
    """Which open executions of the engine's namespace the workflows imported here could not go on with.

    Replays each one's records without effects: no step runs, nothing is written, no lease is taken. An execution of a
    workflow that is not imported here is left out.

        assert check_replays(engine) == []
    """
    return engine.read(lambda store: list(ReplayCheck(store, registry).run()))

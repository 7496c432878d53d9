"""For tests of workflows: a whole engine in the test's own thread, with a clock that moves when the test says so."""

from hydra.checking import Divergence
from hydra.testing.checks import check_replays
from hydra.testing.crashes import CrashReport, crash_matrix
from hydra.testing.harness import Harness
from hydra.testing.replaying import Replay, replay
from hydra.testing.steps import step_context

__all__ = [
    "CrashReport",
    "Divergence",
    "Harness",
    "Replay",
    "check_replays",
    "crash_matrix",
    "replay",
    "step_context",
]

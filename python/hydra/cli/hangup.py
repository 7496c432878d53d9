"""`hydra start` outlives a SIGHUP that comes before it listens: what it would import again is not imported yet.

The command line imports this first. Before that, while Python and hydra itself are imported, SIGHUP ends the process.
"""

from __future__ import annotations

import signal
import sys


def _nothing(number: int, frame: object) -> None:
    """A handler, not SIG_IGN: that the processes it starts would inherit."""


if sys.argv[1:2] == ["start"]:
    signal.signal(signal.SIGHUP, _nothing)

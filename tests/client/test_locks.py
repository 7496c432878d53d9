"""A lock that a `with` block has taken is given back, whenever a signal's handler raises; of real signals."""

from __future__ import annotations

import signal
import time

from hydra.locks import RLock

SECONDS = 1.0
EVERY_SECONDS = 0.0005  # of this process's own time on a processor
HEARD_MIN = 20


class Interrupted(Exception):
    pass


def test_what_a_handler_raises_leaves_no_lock_taken() -> None:
    def handler(*_: object) -> None:
        raise Interrupted

    lock = RLock()
    heard = 0
    before = signal.signal(signal.SIGVTALRM, handler)
    deadline = time.monotonic() + SECONDS
    try:
        while heard < HEARD_MIN or time.monotonic() < deadline:
            try:
                signal.setitimer(signal.ITIMER_VIRTUAL, EVERY_SECONDS)
                while True:
                    with lock:
                        pass
            except Interrupted:
                heard += 1
                assert not lock._is_owned(), f"after {heard} signals"  # type: ignore[attr-defined]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)

"""A lock for `with` blocks in threads where a signal's handler may raise at any moment.

CPython lets handlers in behind calls. Up to 3.13 a `with` statement takes the lock and enters its block in one step.
3.14 calls `__enter__` like any function, so a handler may raise when the lock is taken and the block not yet entered:
nobody gives it back then, and every other thread waits for ever.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info < (3, 14):
    RLock = threading.RLock  # noqa: TID251
else:
    import _thread

    class RLock(_thread.RLock):
        def __enter__(self) -> bool:
            """No handler comes in behind the step of a `for`, nor behind a return: the block is entered by then."""
            for _ in iter(self.acquire, None):
                break
            return True

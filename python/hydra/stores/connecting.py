"""Round what connects to a server: a try that fails leaves nothing behind. Knows no driver."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from typing import TypeVar

from hydra.blocks import contextmanager
from hydra.condition import NoThread, start
from hydra.promise import Promise

C = TypeVar("C")


def undisturbed(connect: Callable[[], C], close: Callable[[C], object]) -> C:
    """What `connect` gives, made where no signal's handler comes in between: drivers take what one raises for a fault
    of the network or of an address, and some forget it. Handlers run on the main thread alone, so that waits. Where no
    thread can be begun (in a function of `atexit`), it is made all the same."""
    if threading.get_ident() != threading.main_thread().ident:
        return connect()
    made: list[C] = []
    failed: list[BaseException] = []
    over: Promise[None] = Promise()

    def make() -> None:
        try:
            made.append(connect())
        except BaseException as error:
            failed.append(error)
        over.settle(None)

    thread = threading.Thread(target=make, name="hydra-connect", daemon=True)
    try:
        start(thread)
        over.wait()
        thread.join()  # who counts threads before a fork does not meet it
    except NoThread:
        return connect()
    except BaseException:
        over.when_settled(lambda: made and close(made.pop()))
        raise
    if failed:
        raise failed.pop()  # out of the list: its traceback leads there, and only the collector would end such a ring
    return made.pop()


@contextmanager
def freed_where_refused() -> Iterator[None]:
    """Both drivers leave a connection that failed in the frames of its error, which hold themselves: PyMySQL its
    socket, psycopg its last error with all that libpq said. They wait for the collector, which a supervisor hardly
    ever runs: in an outage one for each try."""
    try:
        yield
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        raise

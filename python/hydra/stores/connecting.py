"""Round what connects to a server: a try that fails leaves nothing behind. Knows no driver."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager


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

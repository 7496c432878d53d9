"""Django's database connections in workers. Import it in the app, after `django.setup()`; that is all.

Django closes what is too old or broken around each request. A worker has no requests: here it does so around each step,
in the thread that runs it. How old a connection may be, and whether it is tried out before it is used, is said by
`CONN_MAX_AGE` and `CONN_HEALTH_CHECKS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from django.db import close_old_connections, connections

from hydra.blocks import contextmanager
from hydra.middleware import Middleware, StepTry, add_middleware
from hydra.worker.hooks import on_worker_start, on_worker_stop


class FreshConnections(Middleware):
    """No sync step meets a connection that is too old or broken. (Django's own async calls have threads of theirs.)"""

    def step(self, call: StepTry) -> AbstractContextManager[None] | None:
        return None if call.is_async else self._fresh()

    @contextmanager
    def _fresh(self) -> Iterator[None]:
        close_old_connections()
        try:
            yield
        finally:
            close_old_connections()


add_middleware(FreshConnections())


@on_worker_start
def close_inherited() -> None:
    """What the import opened is shared with every other worker."""
    connections.close_all()


@on_worker_stop
def close_own() -> None:
    connections.close_all()

"""Django's database connections in workers. Import it in the app, after `django.setup()`; that is all.

Django closes what is too old or broken around each request. A worker has no requests: here it does so around each step,
in the thread that runs it. How old a connection may be, and whether it is tried out before it is used, is said by
`CONN_MAX_AGE` and `CONN_HEALTH_CHECKS`.
"""

from __future__ import annotations

from django.db import close_old_connections, connections

from hydra.worker.hooks import around_steps, on_worker_start, on_worker_stop

around_steps(close_old_connections)


@on_worker_start
def close_inherited() -> None:
    """What the import opened is shared with every other worker."""
    connections.close_all()


@on_worker_stop
def close_own() -> None:
    connections.close_all()

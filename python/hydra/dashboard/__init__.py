"""The page and the HTTP API: an ASGI app over an engine. It orders and reads as any program does, and runs nothing.

    browser, program ─► guard (host, origin, size) ─► operator (token, cookie) ─► page or API ─► Engine

Everything that is shown is text that somebody else wrote: templates escape it, and no script but our own may run.
"""

from hydra.dashboard.access import Operator, Role
from hydra.dashboard.asgi import app

__all__ = ["Operator", "Role", "app"]

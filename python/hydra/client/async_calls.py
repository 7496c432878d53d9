"""How a coroutine calls an Engine: on a thread of its loop, or in the task that a connection belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from hydra.client.engine import Engine
from hydra.client.loop_side import LoopSide
from hydra.stores.awaiting import run_awaiting

P = ParamSpec("P")
T = TypeVar("T")


class AsyncCalls:
    """Of one AsyncEngine, its handles and selections. `engine` is the plain one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._side: LoopSide | None = None

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.loop_side().run(function, *args, **kwargs)

    async def join(self, verb: Callable[[], T]) -> T:
        """In the caller's own task, which its connection belongs to."""
        await self.run(self.engine.session)
        return await run_awaiting(verb)

    async def run_or_join(self, connection: object, verb: Callable[..., T]) -> T:
        if connection is None:
            return await self.run(verb)
        return await self.join(partial(verb, connection=connection))

    def loop_side(self) -> LoopSide:
        """What belongs to the running loop; another loop, such as one after a fork, gets its own."""
        loop = asyncio.get_running_loop()
        if self._side is None or self._side.loop is not loop:
            self._side = LoopSide(loop, self.engine)
        return self._side

    async def close(self) -> None:
        """Let go of the database and of threads."""
        side = self.loop_side()
        try:
            await side.run(self.engine.close)
        finally:
            side.close()
            self._side = None

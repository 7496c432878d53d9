"""A network that is bad on purpose, between a Unix socket of its own and a server's: slow, thin, cut, half closed.

    with BadNetwork(path, server_socket) as network:
        network.weather = Weather(delay=0.02, jitter=0.05, bytes_per_second=200_000)
        network.after_reply_bytes(40, CUT)       # the next 40 bytes of replies come, and then …

An event loop in a thread of its own. What is set holds for what passes from then on, of every connection.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

PIECE_BYTES = 16_384


class Fate(Enum):
    """What becomes of a connection at a byte."""

    CUT = "cut"  # both sides see it end
    HALF_CLOSE = "half close"  # who reads there sees the end of the stream; the other direction goes on
    STALL = "stall"  # nothing more comes in this direction, and nobody is told, until `thaw`


CUT, HALF_CLOSE, STALL = Fate.CUT, Fate.HALF_CLOSE, Fate.STALL


class Weather(NamedTuple):
    """Seconds that each piece is late in either direction, evenly spread above; how much passes, None: all."""

    delay: float = 0.0
    jitter: float = 0.0
    bytes_per_second: float | None = None


class _Trap:
    """A fate, that many bytes ahead in one direction; for the first connection that comes to it."""

    def __init__(self, count: int, fate: Fate) -> None:
        self.count = count
        self.fate = fate


class BadNetwork:
    """See the module's text."""

    def __init__(self, path: Path, server_socket: Path, seed: int = 1) -> None:
        self.path = path
        self.weather = Weather()
        self.sprung = threading.Event()  # a trap has been met
        self.request_bytes = self.reply_bytes = 0
        self._server_socket = server_socket
        self._chance = random.Random(seed)
        self._traps: dict[str, _Trap | None] = {"request": None, "reply": None}
        self._writers: set[asyncio.StreamWriter] = set()
        self._thaws = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._do(asyncio.start_unix_server(self._connected, str(self.path)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thaws.set()
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    # what is done to it

    def after_request_bytes(self, count: int, fate: Fate) -> None:
        """Of what clients send from now on."""
        self._set("request", count, fate)

    def after_reply_bytes(self, count: int, fate: Fate) -> None:
        """Of what the server answers from now on."""
        self._set("reply", count, fate)

    def disarm(self) -> None:
        self._traps = {"request": None, "reply": None}

    def cut(self) -> None:
        """Every connection that there is."""

        async def cut() -> None:
            for writer in list(self._writers):
                writer.transport.abort()

        self._do(cut())

    def thaw(self) -> None:
        """What was stalled comes to its end: the connections are cut."""
        self._thaws.set()
        self.cut()
        self._thaws = threading.Event()

    # how it passes

    def _set(self, direction: str, count: int, fate: Fate) -> None:
        self.sprung.clear()
        self._traps[direction] = _Trap(count, fate)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _end(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(str(self._server_socket))
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, server_writer}
        with suppress(asyncio.CancelledError):  # at the end; the stream's own callback would call that a fault
            await self._run(reader, writer, server_reader, server_writer)

    async def _run(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        def cut() -> None:
            writer.transport.abort()
            server_writer.transport.abort()

        try:
            await asyncio.gather(
                self._pass_on("request", reader, server_writer, cut), self._pass_on("reply", server_reader, writer, cut)
            )
        finally:
            cut()
            self._writers -= {writer, server_writer}

    async def _pass_on(
        self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: Callable[[], None]
    ) -> None:
        try:
            while data := await reader.read(PIECE_BYTES):
                await self._weather(len(data))
                trap = self._traps[direction]
                if trap is None or trap.count >= len(data):
                    if trap is not None:
                        trap.count -= len(data)
                    await self._write(direction, writer, data)
                    continue
                self._traps[direction] = None
                await self._write(direction, writer, data[: trap.count])
                await self._meet(trap.fate, writer, cut)
                return
            if writer.can_write_eof():
                writer.write_eof()  # the other direction may go on
        except (OSError, RuntimeError):
            cut()

    async def _weather(self, size: int) -> None:
        now = self.weather
        seconds = now.delay + self._chance.random() * now.jitter
        if now.bytes_per_second:
            seconds += size / now.bytes_per_second
        if seconds:
            await asyncio.sleep(seconds)

    async def _write(self, direction: str, writer: asyncio.StreamWriter, data: bytes) -> None:
        if direction == "request":
            self.request_bytes += len(data)
        else:
            self.reply_bytes += len(data)
        if data:
            writer.write(data)
            await writer.drain()

    async def _meet(self, fate: Fate, writer: asyncio.StreamWriter, cut: Callable[[], None]) -> None:
        self.sprung.set()
        if fate is Fate.CUT:
            cut()
        elif fate is Fate.HALF_CLOSE:
            writer.write_eof()
        else:
            thaws = self._thaws
            while not thaws.is_set():
                await asyncio.sleep(0.01)

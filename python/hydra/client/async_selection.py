"""Selection's methods as coroutines. It decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from hydra.client.async_calls import AsyncCalls
from hydra.client.bulk import Acted, Check
from hydra.client.selection import ErrorGroup, Selection


class AsyncSelection:
    """What `AsyncEngine.select` chose. Each method is a coroutine with the arguments of its namesake; what it is given
    to call is called on a thread."""

    def __init__(self, selection: Selection, calls: AsyncCalls) -> None:
        self.selection = selection
        self._calls = calls

    async def count(self) -> int:
        """How many match; see `Selection.count`."""
        return await self._calls.run(self.selection.count)

    async def count_by(self, what: str) -> dict[str, int]:
        """How many match, by status, workflow or reason; see `Selection.count_by`."""
        return await self._calls.run(self.selection.count_by, what)

    async def errors(self, *, newest: int | None = None) -> list[ErrorGroup]:
        """What failed or is parked, by fault; see `Selection.errors`."""
        return await self._calls.run(partial(self.selection.errors, newest=newest))

    async def retry(
        self,
        *,
        dry_run: bool = False,
        at_most: int | None = None,
        progress: Callable[[int], object] | None = None,
        check: Check | None = None,
        reason: str = "",
    ) -> Acted:
        """Let the failed ones run again; see `Selection.retry`."""
        return await self._calls.run(
            self.selection.retry, check=check, reason=reason, dry_run=dry_run, at_most=at_most, progress=progress
        )

    async def resume(
        self,
        *,
        dry_run: bool = False,
        at_most: int | None = None,
        progress: Callable[[int], object] | None = None,
        check: Check | None = None,
        reason: str = "",
    ) -> Acted:
        """Let the parked ones go on; see `Selection.resume`."""
        return await self._calls.run(
            self.selection.resume, check=check, reason=reason, dry_run=dry_run, at_most=at_most, progress=progress
        )

    async def cancel(
        self,
        *,
        undo: bool = True,
        dry_run: bool = False,
        at_most: int | None = None,
        progress: Callable[[int], object] | None = None,
        reason: str = "",
    ) -> Acted:
        """Ask for the end of those that go on; see `Selection.cancel`."""
        return await self._calls.run(
            self.selection.cancel, undo=undo, reason=reason, dry_run=dry_run, at_most=at_most, progress=progress
        )

    async def signal(
        self,
        name: str,
        value: Any = None,
        *,
        id: str | None = None,
        dry_run: bool = False,
        at_most: int | None = None,
        progress: Callable[[int], object] | None = None,
        reason: str = "",
    ) -> Acted:
        """Put an event before each that goes on; see `Selection.signal`."""
        return await self._calls.run(
            self.selection.signal,
            name,
            value,
            id=id,
            reason=reason,
            dry_run=dry_run,
            at_most=at_most,
            progress=progress,
        )

    async def rerun(
        self,
        *,
        reason: str = "",
        force: bool = False,
        dry_run: bool = False,
        at_most: int | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Acted:
        """Begin a new execution of each that has ended; see `Selection.rerun`."""
        return await self._calls.run(
            self.selection.rerun, reason=reason, force=force, dry_run=dry_run, at_most=at_most, progress=progress
        )

    async def delete(
        self,
        *,
        older_than: timedelta | float | None = None,
        reason: str = "",
        dry_run: bool = False,
        at_most: int | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Acted:
        """Delete those that have ended; see `Selection.delete`."""
        return await self._calls.run(
            self.selection.delete,
            older_than=older_than,
            reason=reason,
            dry_run=dry_run,
            at_most=at_most,
            progress=progress,
        )

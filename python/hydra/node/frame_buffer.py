"""Frames on their way to the workers, gathered over one turn of the loop. Sends nothing itself.

    ToSlot ──► add ──► (the turn ends) ──► take ──► sockets
    KillWorker, SpawnWorker ──► forget: what was meant for the worker before never reaches the one after it (R22)

A slot's number outlives its worker. In one turn a claim may be answered and placed on a slot, the slot's worker be
found dead, and the next one be started there: a frame of before would run an execution that its death gives out again.
"""

from __future__ import annotations

from hydra.frames import ToWorker


class FrameBuffer:
    def __init__(self) -> None:
        self._frames: dict[int, list[ToWorker]] = {}

    def add(self, slot: int, frames: list[ToWorker]) -> None:
        self._frames.setdefault(slot, []).extend(frames)

    def forget(self, slot: int) -> None:
        """Its worker is to die, or another takes its place."""
        self._frames.pop(slot, None)

    def take(self) -> dict[int, list[ToWorker]]:
        frames, self._frames = self._frames, {}
        return frames

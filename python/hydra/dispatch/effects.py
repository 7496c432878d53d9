"""What the dispatcher wants done, gathered while it handles one event. Does nothing of it."""

from __future__ import annotations

from hydra.dispatch.events import Action, Log, ToSlot
from hydra.frames import ToWorker


class Effects:
    """Frames of one event leave together, one action per worker."""

    def __init__(self) -> None:
        self._actions: list[Action] = []
        self._frames: dict[int, list[ToWorker]] = {}

    def do(self, action: Action) -> None:
        self._actions.append(action)

    def send(self, slot: int, frame: ToWorker) -> None:
        frames = self._frames.get(slot)
        if frames is None:
            self._frames[slot] = [frame]
        else:
            frames.append(frame)

    def drop_frames(self) -> None:
        self._frames.clear()

    def log(self, level: str, message: str) -> None:
        self._actions.append(Log(level, message))

    def take(self) -> list[Action]:
        actions, self._actions = self._actions, []
        if self._frames:
            actions += [ToSlot(slot, frames) for slot, frames in self._frames.items()]
            self._frames = {}
        return actions

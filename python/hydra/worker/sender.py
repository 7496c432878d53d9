"""What a worker has to say, on its way to the supervisor: frames, and behind them what executions have recorded.

recorded ──► unsent, until the next flush ──► held back while too much is on its way (send_window) ──► sent
ended    ──► with its last records, in one frame (G5)
"""

from __future__ import annotations

from collections.abc import Callable

from hydra.body.fork_guard import Forked, end_child
from hydra.body.protocol import RunningExecution
from hydra.execution import End
from hydra.frames import Ended, FromWorker, Recorded
from hydra.worker.send_window import LARGE_BYTES, Window

MAX_UNSENT = 64  # executions with news, before frames leave although more is ready: it is committed meanwhile


class Sender:
    """`send` is called on the hub's thread only, one call per batch."""

    def __init__(self, send: Callable[[list[FromWorker]], None]) -> None:
        self.window = Window()
        self._send = send
        self._frames: list[FromWorker] = []
        self._unsent: list[RunningExecution] = []
        self.has_unsent = self._unsent.append  # of an execution
        self._ending: dict[RunningExecution, End] = {}  # what they recorded is still to leave

    @property
    def is_empty(self) -> bool:
        """Whether everything has left, records that are not handed out yet aside."""
        return not (self._frames or self._ending)

    @property
    def is_full(self) -> bool:
        return len(self._unsent) + len(self._frames) >= MAX_UNSENT

    def add(self, frame: FromWorker) -> None:
        self._frames.append(frame)

    def end(self, execution: RunningExecution, end: End) -> None:
        """The execution's last frame, with what it still has to say."""
        if execution.log.unsent_bytes < LARGE_BYTES or self.window.has_room(execution.log.unsent):
            # guard G5: an end carries the last records
            self._frames.append(Ended(execution.token, execution.log.unsent, end, execution.log.take_cool_downs()))
            self.forget(execution)
            return
        self._ending[execution] = end
        if execution not in self._unsent:
            self._unsent.append(execution)

    def forget(self, execution: RunningExecution) -> None:
        """Nothing more leaves of it, and nothing is heard of what has."""
        execution.log.unsent, execution.log.unsent_bytes = [], 0
        self.window.forget(execution.token)

    def flush(self) -> None:
        frames, ending = self._frames, self._ending
        held_back = []
        for execution in self._unsent:
            log = execution.log
            if log.unsent_bytes >= LARGE_BYTES or log.reserved or ending:
                if not self._send_what_may_leave(execution):
                    held_back.append(execution)
            elif records := log.unsent:
                log.unsent, log.unsent_bytes = [], 0
                cool_downs = log.take_cool_downs() if log.cool_downs else ()
                frames.append(Recorded(execution.token, records, cool_downs))
        self._unsent[:] = held_back
        if frames:
            if Forked.is_child:
                end_child()
            self._frames = []
            self._send(frames)

    def _send_what_may_leave(self, execution: RunningExecution) -> bool:
        """As far as the window has room; False when something waits for that. The end follows the last records."""
        log, token = execution.log, execution.token
        if not log.unsent or (log.reserved and execution not in self._ending):
            return True
        count = self.window.admit(token, log.unsent)
        is_all = count == len(log.unsent)
        records = log.take_unsent(count)
        if not is_all:
            if count:
                self._frames.append(Recorded(token, records))
            return False
        end = self._ending.pop(execution, None)
        if end is None:
            self._frames.append(Recorded(token, records, log.take_cool_downs()))
        else:
            self.window.forget(token)
            self._frames.append(Ended(token, records, end, log.take_cool_downs()))
        return True

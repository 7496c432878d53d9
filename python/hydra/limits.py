"""The time-outs of steps: which are over, what is done to end the step, and when to give up on that.

started ──timeout──► interrupted (StepTimeout at the next bytecode) ──grace──► given up: the worker must go
"""

from __future__ import annotations

import ctypes
import threading
from typing import Protocol

from hydra.calls import StepCall
from hydra.errors import StepTimeout

YIELD_GRACE_NS = 500_000_000  # for a step to end after StepTimeout was raised in it
NEVER_NS = 1 << 62

raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc
raise_in_thread.argtypes = (ctypes.c_ulong, ctypes.py_object)
NOTHING = ctypes.py_object()  # the null pointer: takes back what was raised


class Interruptible(Protocol):
    """A step under way."""

    is_interrupted: bool

    def interrupt(self) -> None: ...


class RunningInThread:
    """A step in its thread. StepTimeout can be raised there between `__init__` and `close`, and nowhere else."""

    __slots__ = ("_is_over", "_lock", "_thread", "is_interrupted")

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._is_over = False
        self.is_interrupted = False

    def interrupt(self) -> None:
        with self._lock:
            if not self._is_over:
                self.is_interrupted = True
                raise_in_thread(self._thread, StepTimeout)

    def close(self) -> None:
        """For the thread itself; takes back what was raised and has not arrived."""
        with self._lock:
            self._is_over = True
        if self.is_interrupted:
            raise_in_thread(self._thread, NOTHING)


class Limits:
    """The calls with a time-out which are under way. A call's `deadline_ns` is 0 until it really starts."""

    def __init__(self) -> None:
        self._check_at_ns: dict[StepCall, int] = {}
        self.next_ns = NEVER_NS

    def add(self, call: StepCall, now_ns: int) -> None:
        at_ns = self._check_at_ns[call] = now_ns + call.timeout_ns
        self.next_ns = min(self.next_ns, at_ns)

    def remove(self, call: StepCall) -> None:
        self._check_at_ns.pop(call, None)
        if not self._check_at_ns:
            self.next_ns = NEVER_NS

    def check(self, now_ns: int) -> list[StepCall]:
        """Interrupt what is over its time; returns what was interrupted a grace ago and has not ended."""
        given_up: list[StepCall] = []
        for call, at_ns in list(self._check_at_ns.items()):
            if at_ns > now_ns:
                continue
            if call.running is None:
                self._check_at_ns[call] = now_ns + call.timeout_ns
            elif call.deadline_ns > now_ns:
                self._check_at_ns[call] = call.deadline_ns
            elif not call.running.is_interrupted:
                call.running.interrupt()
                self._check_at_ns[call] = now_ns + YIELD_GRACE_NS
            else:
                del self._check_at_ns[call]
                given_up.append(call)
        self.next_ns = min(self._check_at_ns.values(), default=NEVER_NS)
        return given_up

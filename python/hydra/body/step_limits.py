"""The limits of steps: which are over, what is done to end the step, and when to give up on that.

started ──limit──► interrupted (StepTimeout at the next bytecode) ──grace──► given up: the worker must go
"""

from __future__ import annotations

import ctypes
import threading

from hydra.body.step_call import NEVER_NS, StepCall
from hydra.errors import StepTimeout

YIELD_GRACE_NS = 500_000_000  # for a step to end after StepTimeout was raised in it

raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc
raise_in_thread.argtypes = (ctypes.c_ulong, ctypes.py_object)
NOTHING = ctypes.py_object()  # the null pointer: takes back what was raised


class RunningInThread:
    """A step in its thread. StepTimeout can be raised there between `__init__` and `close`, and nowhere else."""

    __slots__ = ("_is_over", "_lock", "_thread", "is_interrupted")

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._is_over = False
        self.is_interrupted = False

    def ask(self) -> None:
        """It asks by itself: `hydra.cancelled()`."""

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
    """The calls with a limit which are under way. A call's `running` is None until it really starts."""

    def __init__(self) -> None:
        self._check_at_ns: dict[StepCall, int] = {}
        self.next_ns = NEVER_NS

    def add(self, call: StepCall, now_ns: int) -> None:
        self._check_at(call, now_ns + patience_ns(call))

    def stop(self, call: StepCall, now_ns: int) -> None:
        """Its execution stops: from now on it has a limit, or an earlier one."""
        if call.stop_at_ns or (call.running is not None and call.running.is_interrupted):
            return
        call.stop_at_ns = now_ns + call.step.cancel_grace_ns
        if call.running is not None:
            call.running.ask()
        self._check_at(call, min(call.stop_at_ns, self._check_at_ns.get(call, NEVER_NS)))

    def _check_at(self, call: StepCall, at_ns: int) -> None:
        self._check_at_ns[call] = at_ns
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
                self._check_at_ns[call] = now_ns + patience_ns(call)
            elif call.running.is_interrupted:
                del self._check_at_ns[call]
                given_up.append(call)
            elif call.is_overdue(now_ns):
                call.running.interrupt()  # guard R23: StepTimeout is raised in the step
                self._check_at_ns[call] = now_ns + YIELD_GRACE_NS
            else:
                self._check_at_ns[call] = call.overdue_at_ns()
        self.next_ns = min(self._check_at_ns.values(), default=NEVER_NS)
        return given_up


def patience_ns(call: StepCall) -> int:
    """How long one that has not started yet is left alone: it cannot be overdue sooner."""
    limits = (call.timeout_ns, call.step.heartbeat_timeout_ns)
    return min(filter(None, limits), default=YIELD_GRACE_NS)

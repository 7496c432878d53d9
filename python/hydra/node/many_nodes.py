"""`hydra start --db-map`: one supervisor process for each namespace of the map, and this one that watches them.

They share nothing: each has its own database, workers and lease, and none hears of another's end. This process opens
no database, and is the only one that reads the map: it gives each its URL, whatever the file says by then. When it
dies, they drain.

SIGTERM, SIGINT: to all, then exit · SIGHUP: read the map again; who is new starts, who is gone or elsewhere drains, the
others get the signal · exit code: the highest of those that ended

A supervisor whose line was changed is told where its namespace was before, so that it can look whether it was moved.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from hydra import _core
from hydra.errors import ConfigError

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0  # before a supervisor that died is started again
STEADY_SECONDS = 60.0  # who lived so long begins with the first wait again
URL_VARIABLE = "HYDRA_NODE_DB"  # not an argument: `ps` shows those, and a URL may have a password
LEFT_VARIABLE = "HYDRA_NODE_LEFT"  # a JSON list of URLs: where the namespace was by the maps before
USAGE = 2  # a supervisor that ends with it would do so again
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

log = logging.getLogger("hydra.supervisor")


class _Node:
    """The supervisor of one namespace, between its deaths too."""

    def __init__(self, url: str, left: Sequence[str] = ()) -> None:
        self.url = url
        self.left = left  # its databases by the maps before
        self.process: subprocess.Popen[bytes] | None = None
        self.began_at = 0.0
        self.wait_seconds = 0.0
        self.due_at: float | None = None  # to be started; None: it runs, or has ended for good
        self.is_leaving = False


class ManyNodes:
    """`run` once, on the main thread of a process that has no other."""

    def __init__(self, command: Sequence[str], read_map: Callable[[], Mapping[str, str]]) -> None:
        """`command` starts a supervisor of `$HYDRA_NAMESPACE` on `$HYDRA_NODE_DB`; `read_map` gives all those, now."""
        self._command = list(command)
        self._read_map = read_map
        self._nodes: dict[str, _Node] = {}
        self._wanted: Mapping[str, str] = {}
        self._is_ending = False
        self._code = 0

    def run(self) -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._wanted = self._read_map()
            self._settle()
            while self._has_nodes():
                told = signal.sigtimedwait(SIGNALS, self._seconds_left())
                if told is not None:
                    self._heard(signal.Signals(told.si_signo))
                ended = self._reap()
                self._settle()
                self._tell_ended(ended)
            return self._code
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _heard(self, number: signal.Signals) -> None:
        if number == signal.SIGCHLD:
            return
        if number == signal.SIGHUP:
            self._look_again()
        else:
            self._is_ending = True
        for node in self._nodes.values():
            if node.process is not None and not (node.is_leaving and number == signal.SIGHUP):
                node.process.send_signal(number)

    def _look_again(self) -> None:
        """A map that cannot be read changes nothing: what runs goes on where it is."""
        try:
            self._wanted = self._read_map()
        except ConfigError as error:
            log.error("%s; everything goes on as it was", error)
            return
        for name, node in self._nodes.items():
            if self._wanted.get(name) != node.url and not node.is_leaving:
                node.is_leaving = True
                log.info("namespace `%s` %s", name, "has another database" if name in self._wanted else "left the map")
                if node.process is not None:
                    node.process.send_signal(signal.SIGTERM)
            elif node.process is None:
                node.wait_seconds, node.due_at = 0.0, monotonic()

    def _has_nodes(self) -> bool:
        """That run, or are to be started."""
        return any(node.process is not None or node.due_at is not None for node in self._nodes.values())

    def _tell_ended(self, ended: Mapping[str, int]) -> None:
        after = "SIGHUP starts it again" if self._has_nodes() else "no other runs, so this process ends, too"
        for name, code in ended.items():
            log.warning("the node of namespace `%s` ended with %d; %s", name, code, after)

    def _reap(self) -> dict[str, int]:
        """Returns: the exit codes of those that are not to be started again."""
        ended = {}
        for name, node in self._nodes.items():
            if node.process is None or (code := node.process.poll()) is None:
                continue
            node.process = None
            if node.is_leaving or self._is_ending:
                if code not in (-signal.SIGTERM, -signal.SIGINT):  # of one that did not listen to them yet
                    self._code = max(self._code, code if code >= 0 else 1)
            elif code in (0, USAGE):
                self._code = max(self._code, code)
                ended[name] = code
            else:
                steady = monotonic() - node.began_at > STEADY_SECONDS
                doubled = FIRST_WAIT_SECONDS if steady else 2 * node.wait_seconds
                node.wait_seconds = min(max(doubled, FIRST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)
                node.due_at = monotonic() + node.wait_seconds
                told = (name, code, node.wait_seconds)
                log.error("the node of namespace `%s` ended with %d; it starts again in %g s", *told)
        return ended

    def _settle(self) -> None:
        """Drop who has left, start who is due; while this process ends nobody starts."""
        if self._is_ending:
            for node in self._nodes.values():
                node.due_at = None
            return
        gone = [name for name, node in self._nodes.items() if node.is_leaving and node.process is None]
        left = {name: self._nodes.pop(name) for name in gone}
        for name, url in self._wanted.items():
            if name not in self._nodes:
                before = left.get(name)
                self._nodes[name] = _Node(url, (*before.left, before.url) if before else ())
                self._nodes[name].due_at = monotonic()
        for name, node in self._nodes.items():
            if node.due_at is not None and node.due_at <= monotonic():
                self._start(name, node)

    def _start(self, name: str, node: _Node) -> None:
        parent = os.getpid()

        def prepare() -> None:
            os.setpgid(0, 0)  # Ctrl-C reaches it through this process only: twice would stop it at once
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it listens: it has imported nothing yet
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            _core.set_parent_death_signal(signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

        node.began_at, node.due_at = monotonic(), None
        environment = {**os.environ, "HYDRA_NAMESPACE": name, URL_VARIABLE: node.url}
        if node.left:
            environment[LEFT_VARIABLE] = json.dumps(node.left)
        node.process = subprocess.Popen(self._command, env=environment, preexec_fn=prepare)

    def _seconds_left(self) -> float:
        """Until the next is due; a signal comes sooner."""
        due = [node.due_at for node in self._nodes.values() if node.due_at is not None]
        return max(min(due, default=monotonic() + LONGEST_WAIT_SECONDS) - monotonic(), 0.0)

"""`hydra start --http`: a supervisor's metrics, health, readiness and page, put together. Never blocks the node's loop.

scrape thread ─► Metrics ◄─ Measuring (node's loop), MeasuredStore (store thread), QueueWatch (its own thread)
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from html import escape
from http import HTTPStatus

from starlette.types import ASGIApp

from hydra.circuit_breaker import CircuitState
from hydra.client.engine import Engine
from hydra.clock import boottime_ns
from hydra.dashboard.server import PageConnection, is_loopback, page_at
from hydra.dispatch.dispatcher import Dispatcher
from hydra.dispatch.health import why_not_ready, why_stuck
from hydra.dispatch.slots import State
from hydra.errors import ConfigError
from hydra.node.measured_store import MeasuredStore
from hydra.node.metrics import NodeMetrics
from hydra.node.node import Node
from hydra.node.queue_watch import QueueWatch
from hydra.observability.http import HTML, HttpPage, HttpServer, check_token, listen, parse_address
from hydra.observability.metrics import Metrics
from hydra.stores.store import Store

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TURN_NS = 1_000_000_000  # how often the loop says that it turns
WORKER_STATES = (State.STARTING.value, State.UP.value, State.DYING.value)
CIRCUIT_VALUES = {CircuitState.CLOSED: 0, CircuitState.HALF_OPEN: 1, CircuitState.OPEN: 2}

log = logging.getLogger("hydra.http")


class Monitor:
    """Made before the node: it wraps the store. `watch` the node that uses it, then it answers `/readyz`."""

    def __init__(
        self,
        address: str,
        store: Store,
        url: str,
        *,
        ttl_ns: int,
        concurrency: int,
        tags: Sequence[str] = (),
        token: str = "",
        page_token_file: str | None = None,
        page_hosts: Sequence[str] = (),
    ) -> None:
        # The URL with its password, to read the queue by: a store knows only what may be shown.
        self.metrics = Metrics(store.namespace, list(dict.fromkeys(tags)))
        self._ttl_ns = ttl_ns
        self._concurrency = concurrency
        self._node: Node | None = None
        self._dispatcher: Dispatcher | None = None
        self._turned_at_ns: int | None = None
        self._hindrance = ""
        tokens = {"/metrics": check_token(token, "the token of `/metrics`")}
        pages = {"/metrics": self._metrics, "/healthz": self._healthz, "/readyz": self._readyz}
        host, port = parse_address(address)
        listening = listen(host, port)
        self._engine = Engine(url, namespace=store.namespace, migrate=False)  # opened when the page is first asked for
        self._no_page = ""
        page = self._page_at(listening, host, page_token_file, page_hosts)
        if page is None:
            self._server = HttpServer(listening, {"/": self._index, **pages}, ("/metrics",), tokens)
        else:
            self._server = HttpServer(listening, pages, ("/metrics",), tokens, page, PageConnection)
        self._measured = MeasuredStore(store, self.metrics)
        self.store = self._measured.as_store()
        self._queue = QueueWatch(url, store.namespace, self.metrics)
        self.metrics.before_scrape(self._queue.look)
        self.metrics.before_scrape(self._look_at_workers)

    def start(self) -> None:
        """From now on there are answers."""
        self._server.start()
        log.info("metrics and health at %s", self._server.url)
        log.info(self._no_page or "the page is there, too")

    def hindered(self, sentence: str) -> None:
        """Why the database could not be opened yet; empty when it was."""
        self._hindrance = sentence

    def watch(self, node: Node, dispatcher: Dispatcher) -> None:
        """Before the node runs."""
        self._node, self._dispatcher = node, dispatcher
        node.observer = NodeMetrics(self.metrics, node.clock.now, dispatcher.running)
        self._turn()

    def close(self) -> None:
        self._server.close()
        self._queue.close()
        self._engine.close()

    def _page_at(
        self, listening: socket.socket, host: str, token_file: str | None, hosts: Sequence[str]
    ) -> ASGIApp | None:
        """None where nobody asked for a page by giving tokens, and it cannot be had or would let everybody in."""
        is_asked = token_file is not None or bool(hosts)
        if not is_asked and not is_loopback(listening):
            self._no_page = f"no page there: `{host}` can be reached from elsewhere, so it needs `--token-file`"
            return None
        try:
            return page_at(listening, self._engine, host, token_file, hosts, log.warning)
        except ConfigError as error:
            if is_asked:
                raise
            self._no_page = f"no page there: {error}"
            return None

    def _turn(self) -> None:
        assert self._node is not None
        self._turned_at_ns = boottime_ns()
        self._node.call_at(self._turned_at_ns + TURN_NS, self._turn)

    def _look_at_workers(self) -> None:
        self.metrics.store_connections.set(self._measured.connection_count + self._queue.connection_count)
        if self._dispatcher is None:
            return
        standing = self._dispatcher.standing()
        states = [state for state, _ in standing.workers]
        for state in WORKER_STATES:
            self.metrics.workers.set(states.count(state), (state,))
        places = states.count(State.UP.value) * self._concurrency
        self.metrics.worker_utilization.set(standing.running_count / places if places else 0)
        self.metrics.circuit_state.values = {
            (each.circuit, each.worker): CIRCUIT_VALUES[each.state] for each in standing.circuits
        }
        for each in standing.circuits:
            for state, count in each.transitions.items():
                self.metrics.circuit_transitions.values[each.circuit, each.worker, state] = count

    def _metrics(self) -> HttpPage:
        return HttpPage(self.metrics.exposition(), METRICS_TYPE)

    def _healthz(self) -> HttpPage:
        return _verdict(why_stuck(self._turned_at_ns, boottime_ns()))

    def _readyz(self) -> HttpPage:
        if self._hindrance:
            return _verdict(self._hindrance)
        standing = None if self._dispatcher is None else self._dispatcher.standing()
        return _verdict(why_not_ready(standing, self._measured.answered_at_ns, self._ttl_ns, boottime_ns()))

    def _index(self) -> HttpPage:
        node = "" if self._node is None else f"<p>node <code>{escape(self._node.id)}</code></p>"
        links = "".join(f'<li><a href="{path}">{path}</a></li>' for path in ("/metrics", "/healthz", "/readyz"))
        body = f"<!doctype html><title>hydra</title><h1>hydra</h1>{node}<ul>{links}</ul>\n"
        return HttpPage(body.encode(), HTML)


def _verdict(why_not: str | None) -> HttpPage:
    if why_not is None:
        return HttpPage(b"ok\n")
    return HttpPage(f"{why_not}\n".encode(), status=HTTPStatus.SERVICE_UNAVAILABLE)

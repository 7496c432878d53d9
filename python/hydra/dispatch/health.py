"""Whether a node lives and may be given work, in one sentence. Reads no clock and nothing of the node by itself."""

from __future__ import annotations

from hydra.circuit_breaker import CircuitState
from hydra.dispatch.dispatcher import Standing

DATABASE_CIRCUITS = ("commit", "claim", "heartbeat")
LOOP_STILL_NS = 10_000_000_000  # a loop that has not turned for so long is stuck; it turns every second
ANSWER_STILL_PER_TTL = 2  # the database is heard of five times a TTL


def why_stuck(turned_at_ns: int | None, now_ns: int) -> str | None:
    """None while the loop turns. `turned_at_ns` is None while the app is being imported."""
    if turned_at_ns is not None and now_ns - turned_at_ns > LOOP_STILL_NS:
        return f"the node's loop has not turned for {(now_ns - turned_at_ns) // 1_000_000_000} s"
    return None


def why_not_ready(standing: Standing | None, answered_at_ns: int, ttl_ns: int, now_ns: int) -> str | None:
    """None when the node would start an execution that is due; else what stands against it."""
    if standing is None:
        return "the app is being imported"
    if standing.is_draining:
        return "the node is draining"
    if not standing.is_registered:
        return "the node is not registered with its database"
    if now_ns >= standing.lease_deadline_ns:
        return "the node's lease has run out: the database has not answered its heartbeats"
    if now_ns - answered_at_ns > ttl_ns // ANSWER_STILL_PER_TTL:
        return f"the database has not answered for {(now_ns - answered_at_ns) // 1_000_000} ms"
    for each in standing.circuits:
        if each.circuit in DATABASE_CIRCUITS and each.state is not CircuitState.CLOSED:
            return f"the {each.circuit} circuit before the database is {each.state.replace('_', '-')}: {each.reason}"
    if not any(is_usable for _, is_usable in standing.workers):
        return "no worker is up that may take work"
    return None

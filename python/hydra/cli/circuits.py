"""What `--circuit` says: settings of a node's circuit breakers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hydra.config import parse_duration
from hydra.dispatch.circuits import NodeCircuits
from hydra.errors import ConfigError


def duration_ns(text: str) -> int:
    return round(parse_duration(text) * 1e9)


def whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"`{text}` is not a whole number") from None


def rate(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"`{text}` is not a number") from None


COMMON: dict[str, tuple[str, Callable[[str], Any]]] = {
    "window": ("window_ns", duration_ns),
    "min-calls": ("min_calls", whole_number),
    "max-calls": ("max_calls", whole_number),
    "error-rate": ("error_rate", rate),
    "good-probes": ("good_probes", whole_number),
    "wait": ("wait_ns", duration_ns),
    "max-wait": ("max_wait_ns", duration_ns),
}
OF_CALLS = {**COMMON, "slow": ("slow_ns", duration_ns), "slow-rate": ("slow_rate", rate)}
CIRCUITS = {"commit": OF_CALLS, "claim": OF_CALLS, "heartbeat": OF_CALLS, "dispatch": COMMON}


def read_circuits(texts: Sequence[str]) -> NodeCircuits:
    """Each is `SETTING=VALUE`, of the three circuits before the database, or `CIRCUIT.SETTING=VALUE`, of that one."""
    chosen: dict[str, dict[str, Any]] = {name: {} for name in CIRCUITS}
    for text in texts:
        place, equals, value = text.partition("=")
        circuit, dot, setting = place.rpartition(".")
        if not equals or (dot and circuit not in CIRCUITS):
            raise ConfigError(
                f"`{text}` sets no circuit; write `SETTING=VALUE` or `{'|'.join(CIRCUITS)}.SETTING=VALUE`"
            )
        known = CIRCUITS[circuit or "commit"]
        if setting not in known:
            raise ConfigError(f"`{text}` names no setting of a circuit; there is {', '.join(known)}")
        field, read = known[setting]
        for name in [circuit] if circuit else ["commit", "claim", "heartbeat"]:
            chosen[name][field] = read(value)
    usual = NodeCircuits()
    return NodeCircuits(
        **{
            name: msgspec.convert(msgspec.to_builtins(getattr(usual, name)) | fields, type(usual.commit))
            for name, fields in chosen.items()
        }
    )

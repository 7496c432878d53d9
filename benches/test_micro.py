"""The Rust hot path beside the plain-Python way to do the same: payloads, selection, the heartbeat's lateness.

Run with `pytest benches/test_micro.py`. A debug build is refused: its figures mean nothing.
"""

from __future__ import annotations

import heapq
import json
import random
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import orjson
import pytest
from hydra import _core, codec
from hydra.worker.page import Page

if _core.build_profile() != "release":
    pytest.exit("benchmarks need a release build: maturin develop --release", returncode=2)

Run = Callable[..., Any]

VALUE = {
    "id": "inv-2026-11-0042",
    "customer": "Jane Doe",
    "amount": Decimal("119.00"),
    "currency": "EUR",
    "attempt": 3,
    "lines": [{"sku": "A-1", "quantity": 2, "price": Decimal("59.50")}],
    "note": "thank you for your order",
}
LARGE = {"invoices": [{**VALUE, "id": f"inv-{index}", "at": datetime.now(UTC)} for index in range(500)]}


@dataclass
class Line:
    sku: str
    quantity: int
    price: Decimal


@dataclass
class Invoice:
    id: str
    customer: str
    amount: Decimal
    lines: list[Line]


INVOICE = Invoice("inv-42", "Jane Doe", Decimal("119.00"), [Line("A-1", 2, Decimal("59.50"))])


def with_json(value: Any) -> bytes:
    """What one would write without hydra: Decimals by a hook, a checksum in front."""

    def default(item: Any) -> Any:
        if isinstance(item, Decimal):
            return {"$decimal": str(item)}
        return {"$datetime": item.isoformat()}

    body = json.dumps(value, default=default, separators=(",", ":"), ensure_ascii=False).encode()
    return zlib.crc32(body).to_bytes(4, "little") + body


def with_orjson(value: Any) -> bytes:
    body = orjson.dumps(value, default=lambda item: {"$decimal": str(item)})
    return zlib.crc32(body).to_bytes(4, "little") + body


_msgspec_encoder = msgspec.json.Encoder()


def with_msgspec(value: Any) -> bytes:
    """Loses which strings were Decimals; the fastest there is."""
    body = _msgspec_encoder.encode(value)
    return zlib.crc32(body).to_bytes(4, "little") + body


def from_json(payload: bytes) -> Any:
    def hook(item: dict[str, Any]) -> Any:
        return Decimal(item["$decimal"]) if "$decimal" in item else item

    if zlib.crc32(payload[4:]) != int.from_bytes(payload[:4], "little"):
        raise ValueError("damaged")
    return json.loads(payload[4:], object_hook=hook)


@pytest.mark.benchmark(group="encode 200 bytes")
@pytest.mark.parametrize("encode", [codec.encode, codec.encode_with_digest, with_json, with_orjson, with_msgspec])
def test_encode_a_small_payload(benchmark: Run, encode: Run) -> None:
    benchmark(encode, VALUE)


@pytest.mark.benchmark(group="decode 200 bytes")
@pytest.mark.parametrize(("encode", "decode"), [(codec.encode, codec.decode), (with_json, from_json)])
def test_decode_a_small_payload(benchmark: Run, encode: Run, decode: Run) -> None:
    payload = encode(VALUE)
    assert benchmark(decode, payload) == VALUE


@pytest.mark.benchmark(group="dataclass")
def test_encode_a_dataclass(benchmark: Run) -> None:
    benchmark(codec.encode, INVOICE)


@pytest.mark.benchmark(group="dataclass")
def test_decode_a_dataclass(benchmark: Run) -> None:
    payload = codec.encode(INVOICE)
    assert benchmark(codec.decode, payload, Invoice) == INVOICE


@pytest.mark.benchmark(group="encode 100 KB")
@pytest.mark.parametrize("encode", [codec.encode, with_json, with_orjson])
def test_encode_a_large_payload(benchmark: Run, encode: Run) -> None:
    benchmark(encode, LARGE)


@pytest.mark.benchmark(group="encode 1,000 calls")
def test_encode_many(benchmark: Run) -> None:
    calls = [((VALUE,), {}) for _ in range(1000)]
    benchmark(codec.encode_calls, calls)


@pytest.mark.benchmark(group="ids")
def test_uuid7(benchmark: Run) -> None:
    benchmark(_core.uuid7)


def _candidates(count: int) -> tuple[list[int], list[int], list[int]]:
    rng = random.Random(count)
    priorities = [rng.randrange(5) for _ in range(count)]
    return priorities, [rng.randrange(10**12) for _ in range(count)], [rng.randrange(20) for _ in range(count)]


def by_sorting(priorities: list[int], run_ats: list[int], groups: list[int], slots: int) -> list[int]:
    return sorted(range(len(priorities)), key=lambda index: (-priorities[index], run_ats[index]))[:slots]


def by_heap(priorities: list[int], run_ats: list[int], groups: list[int], slots: int) -> list[int]:
    return heapq.nsmallest(slots, range(len(priorities)), key=lambda index: (-priorities[index], run_ats[index]))


@pytest.mark.benchmark(group="select 64 of 1,000")
@pytest.mark.parametrize("select", [_core.select, by_sorting, by_heap])
def test_select(benchmark: Run, select: Run) -> None:
    priorities, run_ats, groups = _candidates(1000)
    chosen = benchmark(select, priorities, run_ats, groups, 64)
    assert chosen == by_sorting(priorities, run_ats, groups, 64)


@pytest.mark.benchmark(group="page")
def test_enter_and_leave_a_step(benchmark: Run) -> None:
    page = Page.create()

    def step() -> None:
        page.leave(page.enter(77, 0, "", "charge", 1, 1))

    benchmark(step)


def _hog(seconds: float) -> None:
    """Holds the GIL in stretches that no switch interval can interrupt."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(3_000_000))


def _timer_lateness_ns() -> list[int]:
    late: list[int] = []
    due = [time.monotonic_ns() + index * 20_000_000 for index in range(20)]
    timers = [
        threading.Timer((at - time.monotonic_ns()) / 1e9, lambda at=at: late.append(time.monotonic_ns() - at))
        for at in due
    ]
    for timer in timers:
        timer.start()
    _hog(0.5)
    for timer in timers:
        timer.join()
    return late


def _heartbeat_lateness_ns() -> list[int]:
    heartbeat = _core.Watchdog()
    heartbeat.start()
    now = _core.boottime_ns()
    for index in range(20):
        heartbeat.arm(0, index, now + index * 20_000_000)
    _hog(0.5)
    late = [fired_ns - due_ns for *_, due_ns, fired_ns in heartbeat.due()]
    heartbeat.close()
    return late


def test_the_heartbeat_is_on_time_where_a_python_timer_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    native, python = _heartbeat_lateness_ns(), _timer_lateness_ns()
    with capsys.disabled():
        print(f"\nworst lateness under a GIL hog: heartbeat {max(native) / 1e6:.2f} ms, ", end="")
        print(f"threading.Timer {max(python) / 1e6:.2f} ms")
    assert len(native) == 20
    assert max(native) < max(python)

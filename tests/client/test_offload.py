"""Offloaded values: they lie in the object store, all goes on as without, and what is not there is told."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hydra
import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem
from hydra import Offload, PayloadKeys, dashboard, object_store
from hydra.cli import main
from hydra.move.opening import open_side
from hydra.move.tables import OF_EXECUTIONS
from hydra.object_store import ObjectStore
from hydra.payload_keys import NO_KEYS
from hydra.testing import replay
from hydra.worker import courier
from starlette.testclient import TestClient

from tests.client.conftest import DATABASES
from tests.processes.scene import until
from tests.support.registries import own_registry

__all__ = ["own_registry"]

KEYS = PayloadKeys({"k1": os.urandom(32)}, "k1")
OVER = 2048


@pytest.fixture(params=DATABASES)
def any_url(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request)


def noise(size: int = 8000) -> str:
    """Nothing makes it smaller than it is to be."""
    return os.urandom(size).hex()


def offload_in(folder: Path) -> Offload:
    return Offload(f"file://{folder}/objects", over=OVER)


def objects_in(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "objects").rglob("*") if path.is_file())


def mill() -> SimpleNamespace:
    """To be called within a test, which has a registry of its own."""
    counts: dict[str, int] = {}
    gate = threading.Event()

    @hydra.step
    def mill_grow(text: str) -> str:
        counts["grow"] = counts.get("grow", 0) + 1
        return text + text

    @hydra.step
    def mill_small(text: str) -> int:
        return len(text)

    @hydra.workflow
    def mill_child(text: str) -> str:
        hydra.wait_event("child_go", timeout=60)
        return text.upper()

    @hydra.workflow
    def mill_all(text: str) -> str:
        grown = mill_grow(text)
        size = mill_small(grown)
        child = hydra.spawn(mill_child.bind(text))
        hydra.wait_event("go", timeout=60)
        said = child.result()
        mill_small(said)
        hydra.wait_event("end", timeout=60)
        return f"{size} {said} {grown}"

    @hydra.workflow
    def mill_plain(text: str) -> str:
        return mill_grow(text)

    return SimpleNamespace(all=mill_all, plain=mill_plain, child=mill_child, counts=counts, gate=gate)


def largest_of(url: str) -> int:
    """Bytes of the largest value in any row."""
    side = open_side(url, may_migrate=False)
    try:
        ids = [id for id, _ in side.sizes("default", "", 1000)]
        rows = [*side.executions(ids), *(row for table in OF_EXECUTIONS for row in side.rows_of(table, ids))]
        return max(len(value) for row in rows for value in row if isinstance(value, bytes))
    finally:
        side.close()


@pytest.mark.parametrize("keys", [None, KEYS], ids=["plain", "encrypted"])
def test_large_values_lie_in_the_object_store_and_all_goes_on(
    any_url: str, tmp_path: Path, keys: PayloadKeys | None
) -> None:
    made, offload, text = mill(), offload_in(tmp_path), noise()
    with hydra.Engine(any_url, offload=offload, payload_keys=keys) as engine:
        handle = engine.submit(made.all.bind(text), key="m-1")
        with engine.worker():
            until(lambda: handle.status() == "waiting")
            (child,) = engine.executions(workflow="mill_child")
            engine.get(child.id).signal("child_go")
            until(lambda: engine.get(child.id).status() == "completed")
        with engine.worker():  # the child's end is among what is claimed
            handle.signal("go")
            until(lambda: any(step.name == "mill_small" and step.result == len(text) for step in handle.steps()))
            until(lambda: handle.status() == "waiting")
            handle.signal("end")
            result = handle.result(timeout=60)
        assert result == f"{2 * len(text)} {text.upper()} {text + text}" and made.counts == {"grow": 1}
        again = engine.submit(made.all.bind(text), key="m-1")  # the key is compared by the value
        assert again.id == handle.id
        with pytest.raises(hydra.IdempotencyConflict):
            engine.submit(made.all.bind(text + "x"), key="m-1")
        replay(handle.export(), made.all)  # which has the values in it
        assert engine.audit() == []
        fork = engine.fork(handle.id, "mill_grow")
        assert engine.get(fork.id).export().read_input() == handle.export().read_input()
    found = objects_in(tmp_path)
    assert {path.read_bytes()[0] for path in found} == {0xD1 if keys is None else 0xD2}
    assert largest_of(any_url) < OVER


def test_without_it_the_sentence_says_how_many_bytes_are_elsewhere(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = mill()
    with hydra.Engine(url, offload=offload_in(tmp_path)) as engine, engine.worker():
        handle = engine.submit(made.plain.bind(noise()))
        handle.result(timeout=60)
    sentence = r"bytes are offloaded, and this program does not know where; give the URL with `--offload` or `offload=`"
    with hydra.Engine(url) as blind:
        with pytest.raises(
            hydra.PayloadError, match=rf"the result of execution `.*` cannot be read: its \d+ {sentence}"
        ):
            blind.get(handle.id).result()
        (step,) = blind.get(handle.id).steps()
        assert re.fullmatch(r"<offloaded \(\d+,\d+ bytes\)>", repr(step.result))
        with pytest.raises(hydra.HydraError, match=sentence):
            blind.fork(handle.id, "mill_grow")
        app = dashboard.app(blind, authorize=lambda _: dashboard.Operator("ann", dashboard.Role.VIEW))
        page = TestClient(app, base_url="http://hydra.test", headers={"accept": "text/html"})
        answer = page.get(f"/executions/{handle.id}")
        assert answer.status_code == 200 and "offloaded (" in answer.text
    shown = CliRunner().invoke(main, ["show", handle.id, "--db", url])
    assert shown.exit_code == 0 and "offloaded (" in shown.output
    told = CliRunner().invoke(main, ["result", handle.id, "--db", url])
    assert told.exit_code == 2 and "bytes are offloaded" in told.output
    monkeypatch.setenv("HYDRA_OFFLOAD", f"file://{tmp_path}/objects")
    told = CliRunner().invoke(main, ["result", handle.id, "--db", url])
    assert told.exit_code == 0 and len(told.output) > 10_000


def test_a_node_without_it_parks_and_one_with_it_goes_on(url: str, tmp_path: Path) -> None:
    made, text = mill(), noise()
    with hydra.Engine(url, offload=offload_in(tmp_path)) as engine:
        handle = engine.submit(made.plain.bind(text))
        with hydra.Engine(url) as blind, blind.worker():
            until(lambda: handle.status() == "parked")
        assert "bytes are offloaded, and this program does not know where" in handle.execution().reason
        assert made.counts == {}
        handle.resume()
        with engine.worker():
            assert handle.result(timeout=60) == text + text


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_what_is_gone_or_changed_parks_and_loses_nothing(url: str, tmp_path: Path, harm: str) -> None:
    made, text = mill(), noise()
    with hydra.Engine(url, offload=offload_in(tmp_path)) as engine:
        handle = engine.submit(made.plain.bind(text))
        (path,) = objects_in(tmp_path)
        before = path.read_bytes()
        path.unlink() if harm == "gone" else path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        with engine.worker():
            until(lambda: handle.status() == "parked")
            said = "is not there" if harm == "gone" else "was changed"
            assert said in handle.execution().reason and "put it back from a backup" in handle.execution().reason
            assert said in engine.why(handle.id).sentence
            path.write_bytes(before)
            handle.resume()
            assert handle.result(timeout=60) == text + text
        for each in objects_in(tmp_path):
            each.unlink()
        with pytest.raises(hydra.PayloadError, match="is not there; put it back from a backup"):
            handle.result()


class Faults:
    """What the object store does in place of what it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.put: Any = None
        self.get: Any = None
        self.puts = 0
        put, get = MemoryFileSystem.pipe_file, MemoryFileSystem.cat_file

        def pipe_file(system: Any, path: str, value: bytes, **options: Any) -> Any:
            self.puts += 1
            return self.put() if self.put is not None else put(system, path, value, **options)

        def cat_file(system: Any, path: str, **options: Any) -> Any:
            return self.get() if self.get is not None else get(system, path, **options)

        monkeypatch.setattr(MemoryFileSystem, "pipe_file", pipe_file)
        monkeypatch.setattr(MemoryFileSystem, "cat_file", cat_file)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    yield Faults(monkeypatch)
    MemoryFileSystem.store.clear()


MEMORY = Offload("memory://bucket/hydra", over=OVER)


def fail() -> Any:
    raise OSError("the bucket burns")


def test_what_the_object_store_does_not_take_lies_in_the_database(url: str, faults: Faults) -> None:
    made, text = mill(), noise()
    faults.put = fail
    with hydra.Engine(url, offload=MEMORY) as engine, engine.worker():
        handle = engine.submit(made.plain.bind(text))
        assert handle.result(timeout=60) == text + text and made.counts == {"grow": 1}
        assert faults.puts and not MemoryFileSystem.store
    with hydra.Engine(url) as blind:
        assert blind.get(handle.id).result() == text + text


def test_one_that_never_answers_holds_nobody_up(url: str, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside one whose result is on its way others go on, and its node keeps its lease."""
    made, text = mill(), noise()
    answering = threading.Event()
    faults.put = lambda: answering.wait(60) and fail()
    with hydra.Engine(url) as programs, hydra.Engine(url, offload=MEMORY) as engine, engine.worker():
        large = programs.submit(made.plain.bind(text))
        until(lambda: faults.puts == 1)
        for _ in range(3):
            assert programs.submit(made.plain.bind("small")).result(timeout=60) == "smallsmall"
        assert large.status() == "running" and made.counts == {"grow": 4}
        answering.set()
        assert large.result(timeout=60) == text + text and made.counts == {"grow": 4}
        assert [each.ending for each in large.attempts()] == ["completed"]


def test_a_call_that_is_not_answered_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch, faults: Faults) -> None:
    monkeypatch.setattr(object_store, "PUT_SECONDS", 0.05)
    ever = threading.Event()
    faults.put = lambda: ever.wait(60)
    objects = ObjectStore(MEMORY, "late", NO_KEYS)
    assert objects.put(b"x" * 5000) == b"x" * 5000
    assert objects.put(b"x" * 5000) == b"x" * 5000 and faults.puts == 1, "an outage is not waited for at each value"
    ever.set()


def test_what_cannot_be_fetched_now_sleeps_and_goes_on(
    url: str, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, text = mill(), noise()
    monkeypatch.setattr(courier, "AGAIN_US", 200_000)
    with hydra.Engine(url, offload=MEMORY) as engine:
        handle = engine.submit(made.plain.bind(text))
        faults.get = fail
        with engine.worker():
            until(lambda: len(handle.attempts()) >= 2)
            assert engine.submit(made.plain.bind("small")).result(timeout=60) == "smallsmall"
            until(lambda: "the bucket burns" in engine.why(handle.id).sentence)
            with pytest.raises(hydra.ResultTimeout):
                handle.result(timeout=0.01)
            faults.get = None
            assert handle.result(timeout=60) == text + text
            faults.get = fail
            with pytest.raises(hydra.PayloadError, match=r"does not give their object .*: the bucket burns"):
                handle.result()
    assert made.counts == {"grow": 2}


def test_a_program_and_a_body_with_small_values_ask_nothing_of_it(url: str, faults: Faults) -> None:
    made = mill()
    with hydra.Engine(url, offload=MEMORY) as engine, engine.worker():
        assert engine.submit(made.plain.bind("small")).result(timeout=60) == "smallsmall"
    assert faults.puts == 0


def test_a_file_is_whole_and_durable_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append(os.readlink(f"/proc/self/fd/{fd}")), real_fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("replace"), real_replace(a, b)))
    ObjectStore(offload_in(tmp_path), "default", NO_KEYS).put(b"x" * 5000)
    (path,) = objects_in(tmp_path)
    folder = str(path.parent)
    assert done[-3:] == [f"{path}.part", "replace", folder], "its bytes, its name, its place in the folder"
    assert str(tmp_path) in done and f"{tmp_path}/objects" in done, "and the folders that were made"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_plain_program_of_an_encrypted_namespace_writes_no_object(url: str, tmp_path: Path) -> None:
    made = mill()
    with hydra.Engine(url, payload_keys=KEYS) as engine:
        engine.audit()
    with hydra.Engine(url, offload=offload_in(tmp_path)) as blind, pytest.raises(hydra.ConfigError, match="`k1`"):
        blind.submit(made.plain.bind(noise()))
    assert objects_in(tmp_path) == []


def test_async_programs_fetch_beside_their_loop(url: str, tmp_path: Path) -> None:
    made, text = mill(), noise()
    offload = offload_in(tmp_path)

    async def submits() -> str:
        async with hydra.AsyncEngine(url, offload=offload) as engine:
            return await (await engine.submit(made.plain.bind(text))).result(timeout=60)

    with hydra.Engine(url, offload=offload) as engine, engine.worker():
        assert asyncio.run(submits()) == text + text
    assert len(objects_in(tmp_path)) == 3  # arguments, the step's result, the result


def test_bad_input_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for url, said in [
        ("", "is no URL to offload to"),
        ("/folder", "is no URL to offload to"),
        ("s3://", "names no place to offload to"),
        ("file://here", "is a relative path"),
        ("nosuch://bucket/x", "cannot be offloaded to"),
    ]:
        with pytest.raises(hydra.ConfigError, match=said):
            Offload(url)
    for over in (0, 10, "256K", True, 1.5):
        with pytest.raises(hydra.ConfigError, match="`over` must be a number of bytes from 1,024 on"):
            Offload("memory://x", over=over)  # type: ignore[arg-type]
    with pytest.raises(hydra.ConfigError, match="`offload` is str"):
        hydra.Engine("sqlite:///x.db", offload="s3://bucket/x")  # type: ignore[arg-type]
    monkeypatch.setenv("HYDRA_OFFLOAD", "memory://bucket")
    with pytest.raises(hydra.ConfigError, match="ends with its process"):
        hydra.Engine("sqlite:///x.db")
    monkeypatch.setenv("HYDRA_OFFLOAD", "")
    with pytest.raises(hydra.ConfigError, match="HYDRA_OFFLOAD is empty"):
        hydra.Engine("sqlite:///x.db")
    assert "secret" not in repr(Offload("memory://ann:secret@host/x"))


def test_without_the_extra_one_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(hydra.ConfigError, match=r"^offloading needs `fsspec`; install `hydra-engine\[offload\]`$"):
        Offload("s3://bucket/x")

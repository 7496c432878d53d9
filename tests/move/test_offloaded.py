"""What is offloaded where rows are moved, archived and deleted: no value goes that something points at."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import hydra
import pytest
from hydra import Offload, PayloadKeys
from hydra.errors import IllegalMove, StoreUnavailable
from hydra.move import move
from hydra.move.offloaded import Swept, made_at, sweep
from hydra.node.archive import Archive
from hydra.object_store import ObjectStore
from hydra.payload_keys import NO_KEYS, encrypted_with
from hydra.stores import plain_store
from hydra.testing import replay

from tests.client.conftest import DATABASES
from tests.support.registries import own_registry

__all__ = ["own_registry"]

KEYS = PayloadKeys({"k1": os.urandom(32)}, "k1")
HOUR_US = 3_600_000_000


@pytest.fixture(params=DATABASES)
def any_url(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/swept.db"


@pytest.fixture
def offload(tmp_path: Path) -> Offload:
    return Offload(f"file://{tmp_path}/objects", over=2048)


def noise() -> str:
    return os.urandom(8000).hex()


def loom() -> SimpleNamespace:
    @hydra.step
    def loom_weave(text: str) -> str:
        return text + text

    @hydra.workflow
    def loom_child(text: str) -> str:
        return text.upper()

    @hydra.workflow
    def loom_all(text: str) -> str:
        child = hydra.spawn(loom_child.bind(text), key="shared")
        return loom_weave(text) + child.result()

    return SimpleNamespace(all=loom_all, child=loom_child)


def objects_of(offload: Offload, keys: PayloadKeys = NO_KEYS) -> ObjectStore:
    return ObjectStore(offload, "default", keys)


def swept(url: str, offload: Offload, keys: PayloadKeys = NO_KEYS, **options: bool) -> Swept:
    """As in an hour from now, of what is older than that."""
    with hydra.Engine(url) as engine:
        now = engine.session().now()
    return sweep(url, "default", objects_of(offload, keys), keys, now + 2 * HOUR_US, HOUR_US, **options)


@pytest.mark.parametrize("keys", [NO_KEYS, KEYS], ids=["plain", "encrypted"])
def test_a_sweep_takes_what_nothing_points_at_and_nothing_else(
    any_url: str, offload: Offload, keys: PayloadKeys
) -> None:
    made, text = loom(), noise()
    with hydra.Engine(any_url, offload=offload, payload_keys=keys) as engine, engine.worker():
        handle = engine.submit(made.all.bind(text))
        expected = text + text + text.upper()
        assert handle.result(timeout=60) == expected
        count = len(list(objects_of(offload).names()))
        orphan = objects_of(offload, keys).put(b"x" * 5000)
        assert len(list(objects_of(offload).names())) == count + 1 and orphan != b"x" * 5000
        assert swept(any_url, offload, keys, is_dry_run=True) == (1, count)
        assert swept(any_url, offload, keys) == (1, count) and swept(any_url, offload, keys) == (0, count)
        second = engine.submit(made.all.bind(text))  # told of the same child's end
        assert second.result(timeout=60) == expected
        fork = engine.fork(second.id, "loom_weave")
        assert fork.result(timeout=60) == expected
        handle.delete()
        assert engine.executions(workflow="loom_child") == []
        # Its arguments, what it wove, its result, its child's arguments, and those that the second gave it in vain. The
        # child's result stays: two were told of it.
        assert swept(any_url, offload, keys) == (5, 7)
        for each in (second, fork):  # they have what that child said, and the fork what its source had
            assert replay(each.export(), made.all).is_complete
        for each in (second, fork):
            each.delete()
        assert swept(any_url, offload, keys, force=True).kept == 0


def test_a_digest_that_begins_as_what_is_encrypted_stops_no_sweep(url: str, offload: Offload) -> None:
    """One in 256 does; the id of a message is one that can be chosen."""

    @hydra.workflow
    def loom_told() -> str:
        return hydra.wait_event("go", str) + noise()

    with hydra.Engine(url, offload=offload, payload_keys=KEYS) as engine, engine.worker():
        handle = engine.submit(loom_told.bind())
        handle.signal("go", "on", id="d26c8b2a-7a21-4eb7-acc3-6ab6599ed562")
        assert handle.result(timeout=60).startswith("on")
    objects_of(offload, KEYS).put(b"x" * 5000)
    assert swept(url, offload, KEYS) == (1, 1)


def test_young_objects_and_what_hydra_did_not_name_stay(url: str, offload: Offload) -> None:
    made = loom()
    with hydra.Engine(url, offload=offload) as engine:
        engine.submit(made.child.bind(noise()))
        now = engine.session().now()
    objects = objects_of(offload)
    objects.put(b"x" * 5000)
    Path(offload.url.removeprefix("file://"), "hydra-default", "README").write_text("mine")
    assert sweep(url, "default", objects, NO_KEYS, now, HOUR_US) == (0, 3)
    assert swept(url, offload) == (1, 2)
    assert made_at("README") is None and made_at("0192f0c1-2345-4abc-8abc-0123456789ab") is None


def test_another_databases_objects_are_not_swept(url: str, offload: Offload, tmp_path: Path) -> None:
    made = loom()
    with hydra.Engine(url, offload=offload) as engine:
        engine.submit(made.child.bind(noise()))
    other = f"sqlite:///{tmp_path}/other.db"
    with hydra.Engine(other) as engine:
        engine.audit()
    with pytest.raises(IllegalMove, match="points at any of the 1 objects, so they may be another database's"):
        swept(other, offload)
    assert len(list(objects_of(offload).names())) == 1


def test_what_cannot_be_read_stops_a_sweep(url: str, offload: Offload) -> None:
    made = loom()
    with hydra.Engine(url, offload=offload, payload_keys=KEYS) as engine, engine.worker():
        engine.submit(made.child.bind(noise())).result(timeout=60)
        engine.submit(made.child.bind("small")).result(timeout=60)
    objects_of(offload).put(b"x" * 5000)
    with pytest.raises(hydra.HydraError, match=r"a row may point at an object, but it is encrypted .* `k1`"):
        swept(url, offload)
    assert swept(url, offload, KEYS).deleted == 1


def test_a_moved_namespace_has_its_values_and_its_source_sweeps_nothing(
    any_url: str, tmp_path: Path, offload: Offload
) -> None:
    made, text = loom(), noise()
    with hydra.Engine(any_url, offload=offload) as engine, engine.worker():
        handle = engine.submit(made.all.bind(text))
        expected = handle.result(timeout=60)
    target = f"sqlite:///{tmp_path}/target.db"
    move(any_url, target)
    with hydra.Engine(target, offload=offload) as engine:
        assert engine.get(handle.id).result() == expected
        assert replay(engine.get(handle.id).export(), made.all).is_complete
    with pytest.raises(IllegalMove, match=r"was moved to `.*`, whose rows count; sweep there"):
        swept(any_url, offload)
    assert swept(target, offload).deleted == 0


@pytest.mark.parametrize("keys", [None, KEYS], ids=["plain", "encrypted"])
def test_an_archive_has_the_values_in_it(url: str, offload: Offload, tmp_path: Path, keys: PayloadKeys | None) -> None:
    made, text = loom(), noise()
    with hydra.Engine(url, offload=offload, payload_keys=keys) as engine, engine.worker():
        handle = engine.submit(made.all.bind(text))
        handle.result(timeout=60)
    folder = tmp_path / "archive"
    folder.mkdir()
    store = plain_store(url)
    store.open()
    try:
        now = store.now()
        assert Archive(str(folder), "default").write(store, [handle.id], "blind", now) == {handle.id}, (
            "nobody says where"
        )
        assert Archive(str(folder), "default", objects_of(offload)).write(store, [handle.id], "node", now) == set()
    finally:
        store.close()
    (path,) = folder.glob("*node.jsonl")
    (line,) = path.read_text().splitlines()
    exported = json.loads(line)["export"]
    payload = hydra.client.exports.read_export(exported).read_input()
    if keys is None:
        assert replay(exported, made.all).is_complete
    else:
        assert encrypted_with(payload) == "k1" and len(payload) > 8000, "as it would have lain in the database"


def test_what_the_object_store_does_not_give_is_not_archived_and_so_not_deleted(
    url: str, offload: Offload, tmp_path: Path
) -> None:
    made = loom()
    with hydra.Engine(url, offload=offload) as engine, engine.worker():
        handle = engine.submit(made.child.bind(noise()))
        handle.result(timeout=60)

    class Burning(ObjectStore):
        def _read(self, name: str) -> bytes:
            raise OSError("the bucket burns")

    store = plain_store(url)
    store.open()
    try:
        archive = Archive(str(tmp_path), "default", Burning(offload, "default", NO_KEYS))
        with pytest.raises(StoreUnavailable, match="the bucket burns"):
            archive.write(store, [handle.id], "node", store.now())
    finally:
        store.close()


def test_objects_are_named_by_when_they_are_made(offload: Offload) -> None:
    objects_of(offload).put(b"x" * 5000)
    (name,) = objects_of(offload).names()
    made = made_at(name)
    assert made is not None
    assert abs((datetime.now(UTC) - datetime.fromtimestamp(made / 1e6, UTC)).total_seconds()) < 600

"""A server that is away costs no descriptor and no memory, however often it is asked: a supervisor seldom runs Python's
collector."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra.errors import HydraError
from hydra.stores import open_store
from hydra.stores.mysql.address import read_address
from hydra.stores.mysql.step_connection import StepConnection


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def nobody_listens(folder: Path) -> str:
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(str(folder / "s"))
    return str(folder / "s")


PLACES: dict[str, Callable[[Path], str]] = {
    "mysql, no socket": lambda folder: f"mysql://u:p@localhost/x?unix_socket={folder}/absent",
    "mysql, a dead socket": lambda folder: f"mysql://u:p@localhost/x?unix_socket={nobody_listens(folder)}",
    "mysql, no port": lambda folder: "mysql://u:p@127.0.0.1:1/x",
    "postgres, no socket": lambda folder: f"postgresql://u:p@/x?host={folder}",
    "postgres, no port": lambda folder: "postgresql://u:p@127.0.0.1:1/x",
}


@pytest.mark.parametrize("place", list(PLACES))
@pytest.mark.usefixtures("no_collector")
def test_a_server_that_is_away_keeps_no_descriptor(tmp_path: Path, place: str) -> None:
    store = open_store(PLACES[place](tmp_path), "default")
    tried(store.open)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        tried(store.open)
        tried(lambda: store.get(["00000000-0000-7000-8000-000000000000"]))
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize("place", list(PLACES))
@pytest.mark.usefixtures("no_collector")
def test_it_leaves_nothing_for_the_collector(tmp_path: Path, place: str) -> None:
    store = open_store(PLACES[place](tmp_path), "default")
    tried(store.open)
    gc.collect()
    for _ in range(20):
        tried(store.open)
        tried(lambda: store.get(["00000000-0000-7000-8000-000000000000"]))
    assert gc.collect() < 20, "less than one object for two tries"


@pytest.mark.usefixtures("no_collector")
def test_nor_does_the_connection_of_a_transaction(tmp_path: Path) -> None:
    address = read_address(PLACES["mysql, a dead socket"](tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        tried(lambda: StepConnection(address, "default", False))
    assert len(os.listdir("/proc/self/fd")) <= before


def tried(verb: Callable[[], object]) -> None:
    with pytest.raises((HydraError, OSError)):
        verb()

"""Annotations that name what stands further down, without `from __future__ import annotations`: CPython 3.14 looks at
them later, and before it nobody can write them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hydra.errors import ConfigError
from hydra.testing import Harness

pytestmark = pytest.mark.skipif(sys.version_info < (3, 14), reason="CPython before 3.14 refuses such a function")

SHOP = """
import hydra
import msgspec

@hydra.step
def charge(order: Order, *, more: list[Order] | None = None) -> Receipt:
    return Receipt(order.id)

@hydra.workflow(search={"number": int}, limits=[hydra.Concurrency(1, key="order.id")])
def pay(order: Order, number: int) -> Receipt:
    return charge(order)

class Order(msgspec.Struct):
    id: int

class Receipt(msgspec.Struct):
    id: int
"""
LOST = """
import hydra

@hydra.workflow
def lost(order: Missing) -> None: ...
"""


def imported(folder: Path, text: str) -> ModuleType:
    path = folder / "shop.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("shop_of_3_14", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_they_are_found_when_they_are_needed(tmp_path: Path) -> None:
    shop = imported(tmp_path, SHOP)
    with Harness() as harness:
        assert harness.submit(shop.pay.bind(shop.Order(3), 7)).result() == shop.Receipt(3)


def test_one_that_is_never_there_is_told_of(tmp_path: Path) -> None:
    imported(tmp_path, LOST)
    said = r"the annotations of `.*lost` cannot be resolved: name 'Missing'"
    with Harness() as harness, pytest.raises(ConfigError, match=said):
        harness.run_until_idle()

"""Each store's migrations are numbered from 1 without a gap, and no number is taken twice."""

from __future__ import annotations

from pathlib import Path

import hydra
import pytest

STORES = Path(hydra.__file__).parent / "stores"


@pytest.mark.parametrize("store", ["sqlite", "postgres", "mysql"])
def test_r27_each_migration_has_a_number_of_its_own(store: str) -> None:
    names = sorted(path.name for path in (STORES / store / "migrations").glob("*.sql"))
    assert [int(name.split("_")[0]) for name in names] == list(range(1, len(names) + 1)), names

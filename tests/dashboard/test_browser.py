"""The page in a real Chromium, briefly: axe, the console and the width of the main views, and an order by keyboard.

All views in all looks, with the newest axe, are `tests/dashboard/browser.py`, by hand. Where there is no Chromium it is
passed over; CI has one (`.ci/tools`), and fails without.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import hydra
import pytest

from tests.dashboard.chromium import PHONE, WIDE, Browser, order_by_keyboard, served
from tests.dashboard.conftest import Shop, paged_wait

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def axe() -> str:
    if "CI" not in os.environ:
        if not CHROMIUM.exists():
            pytest.skip("there is no Chromium")
        pytest.importorskip("selenium")
        pytest.importorskip("axe_core_python")
    import axe_core_python

    return (Path(axe_core_python.__path__[0]) / "axe.min.js").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", PHONE)], ids=["light", "dark-phone"])
def test_axe_finds_nothing_on_the_main_views(
    engine: hydra.Engine, shop: Shop, own: hydra.Engine, axe: str, scheme: str, size: tuple[int, int]
) -> None:
    handle = own.submit(paged_wait.bind("a"))
    own.require_approval(["cancel"])
    with suppress(hydra.ApprovalNeeded):
        handle.cancel(undo=False)
    browser = Browser(scheme, size, axe)
    try:
        with served(engine) as url, served(own) as other:
            views = ["/executions", f"/executions/{shop.failed}"]
            views += ["/", "/errors", f"/executions/{shop.parked}"] if size == WIDE else []
            problems = [said for view in views for said in browser.problems(url + view)]
            problems += browser.problems(f"{other}/acts")
            assert "Approve" in browser.driver.page_source
            problems += browser.problems(f"{other}/act?act=cancel&workflow=paged_wait")
        with served(own) as url:
            problems += order_by_keyboard(browser, url, own) if size == WIDE else []
    finally:
        browser.driver.quit()
    assert problems == []

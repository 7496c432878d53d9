"""The page on each database: every view, a list page by page, and orders."""

from __future__ import annotations

import hydra
import pytest
from hydra import Status

from tests.dashboard.conftest import browser_of, order, paged_doze, put_pending
from tests.stores.conftest import DATABASES


@pytest.mark.parametrize("database", DATABASES)
def test_the_page_shows_and_orders(request: pytest.FixtureRequest, database: str) -> None:
    with hydra.Engine(DATABASES[database](request)) as engine:
        first, second = put_pending(engine, 2)
        late = engine.submit(paged_doze.bind(), delay=3600, tags={"run": "1"})
        browser = browser_of(engine)
        for path in ("/", "/executions", "/errors", "/schedules", "/nodes", "/limits"):
            assert browser.get(path).status_code == 200, path
        shown = browser.get(f"/executions/{late.id}").text
        assert "it is not due before" in shown and "dot-delay" in shown
        assert first in browser.get("/executions?status=pending&limit=1&order=oldest").text
        assert late.id in browser.get("/executions?tag=run%3D1").text
        order(browser, f"/executions/{first}", order="cancel")
        order(browser, "/act", act="cancel", status="pending", expected="2")
        assert [engine.get(id).status() for id in (first, second, late.id)] == [Status.CANCELLED] * 3
        order(browser, "/commands", order="pause_workflow", name="paged_bill")
        assert [pause.name for pause in engine.pauses()] == ["paged_bill"]
        assert engine.audit() == []

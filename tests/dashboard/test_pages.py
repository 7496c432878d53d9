"""What the page shows: every view, with filters, cursors, and whatever hostile people have put into executions."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra import dashboard
from hydra.client import limit_orders
from hydra.dashboard import limits
from hydra.dashboard.rendering import NOTHING
from hydra.terminal import SHOWN
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from tests.dashboard.conftest import HOSTILE, Shop, browser_of, me, paged_bill, paged_sought, put_pending
from tests.processes.scene import until

LISTS = ("/", "/executions", "/errors", "/schedules", "/nodes", "/limits", "/acts")


def ids_in(text: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r'href="/executions/([0-9a-f-]{36})"', text)))


def test_every_view_is_shown_and_escapes_what_others_wrote(engine: hydra.Engine, shop: Shop) -> None:
    assert "\\u202e" in browser_of(engine).get("/executions").text, "by its number"
    details = [f"/executions/{id}" for id in shop[1:]]
    acts = [f"/act?act={act}&workflow=paged_fail" for act in ("retry", "rerun", "resume", "cancel", "signal")]
    browser = browser_of(engine)
    for path in (*LISTS, *details, *acts):
        answer = browser.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert "<script>alert" not in answer.text and "<img" not in answer.text and "49" not in HOSTILE
        assert "onmouseover='x'" not in answer.text
        text = re.sub(r"<textarea.*?</textarea>|<[^>]*>", "", answer.text, flags=re.DOTALL)
        assert not set(text) & set(map(chr, SHOWN)), (path, "it turns what follows")
        assert answer.text.count("<h1") == 1 and '<html lang="en">' in answer.text
        assert "style=" not in answer.text and "onclick" not in answer.text  # the policy would not let them
        assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text)  # nothing from elsewhere


def test_a_page_finds_by_attributes_and_links_to_what_has_the_same(own: hydra.Engine) -> None:
    customers = ("c-17", "c-18", ">5", "=x", HOSTILE[:20])
    ids = {each: own.submit(paged_sought.bind(each, n)).id for n, each in enumerate(customers)}
    browser = browser_of(own)
    both = browser.get("/executions", params={"attribute": ["customer>=c-17", "amount<1"]}).text
    assert ids_in(both) == [ids["c-17"]] and 'value="customer&gt;=c-17"' in both and 'value="amount&lt;1"' in both
    for customer, id in ids.items():
        links = re.findall(r'href="(/executions\?attribute=customer[^"]*)"', browser.get(f"/executions/{id}").text)
        assert [ids_in(browser.get(unescape(link)).text) for link in links] == [[id]], customer


def test_one_execution_says_what_became_of_it_and_why(engine: hydra.Engine, shop: Shop) -> None:
    browser = browser_of(engine)
    failed = unescape(browser.get(f"/executions/{shop.failed}").text)
    assert "PagedRefusal" in failed and "Traceback (most recent call last)" in failed and "paged_refuse" in failed
    assert "it failed at" in failed and "attempt 2, the last" in failed
    assert '<button class="primary">Retry it</button>' in failed and "Cancel it" not in failed
    completed = unescape(browser.get(f"/executions/{shop.completed}").text)
    assert '"amount": 3' in completed and "run=2026-11" in completed.replace("%3D", "=")
    waiting = unescape(browser.get(f"/executions/{shop.waiting}").text)
    assert "it waits for event `approved`" in waiting and "Send it" in waiting and "dot-wait" in waiting
    assert "it sleeps until" in browser.get(f"/executions/{shop.asleep}").text
    parked = unescape(browser.get(f"/executions/{shop.parked}").text)
    assert "It took effect" in parked and "paged_transfer" in parked
    parent = browser.get(f"/executions/{shop.parent}").text
    (child,) = [id for id in ids_in(parent) if id != shop.parent]
    assert engine.get(child).execution().workflow == "paged_bill"
    told = re.sub(r"<[^>]+>", "", browser.get(f"/executions/{child}").text)
    assert f"Part of {shop.parent}, which spawned it" in told
    assert "Part of" not in parent


def test_a_list_has_what_the_filter_of_the_command_line_has(engine: hydra.Engine, shop: Shop) -> None:
    browser = browser_of(engine)
    for filter, wanted in (
        ("status=failed", [shop.failed]),
        ("workflow=paged_doze", [shop.asleep]),
        ("tag=run%3D2026-11", [shop.completed]),
        ("error=PagedRefusal", [shop.failed]),
        ("reason=ONMOUSEOVER", [shop.failed]),
        ("since=1d&status=parked", [shop.parked]),
        ("key=inv-81", [shop.failed]),
        ("key=inv-82", []),
        ("until=1d", []),
    ):
        answer = browser.get(f"/executions?{filter}")
        assert ids_in(answer.text) == wanted, filter
    assert "No executions match." in answer.text
    assert '<span class="count">1</span>' in browser.get("/executions?status=failed").text
    assert "PagedRefusal" in browser.get("/errors").text
    assert "Nothing that matches" in browser.get("/errors?workflow=paged_bill").text


def test_a_list_goes_on_where_the_page_before_ended(own: hydra.Engine) -> None:
    ids = put_pending(own, 5)
    browser = browser_of(own)
    for order, wanted in (("newest", ids[::-1]), ("oldest", ids)):
        seen: list[str] = []
        path: str | None = f"/executions?limit=2&order={order}"
        while path:
            text = browser.get(path).text
            seen += ids_in(text)
            found = re.search(r'rel="next" href="([^"]+)"', text)
            path = None if found is None else unescape(found[1]) + "&limit=2"
        assert seen == wanted


def test_a_page_that_has_looked_at_enough_says_so_and_goes_on(
    own: hydra.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hydra.client.looking.MAX_LOOKED_AT", 3)
    wanted = own.submit(paged_bill.bind("visa-0"), tags={"run": "rare"}, delay=3600).id
    put_pending(own, 7)
    browser = browser_of(own)
    path, pages, seen = "/executions?tag=run%3Drare", [], []
    while path:
        pages.append(unescape(browser.get(path).text))
        seen += ids_in(pages[-1])
        found = re.search(r'rel="next" href="([^"]+)"', pages[-1])
        path = "" if found is None else found[1]
    assert seen == [wanted] and len(pages) == 3
    assert "None of the newest match" in pages[0] and "No executions match." not in pages[0]
    assert "None of the newest that come next match" in pages[1]
    assert "match:" not in pages[2], "it came to the end"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("status=lost", "`lost` is not a status; it is one of pending"),
        ("since=yesterday", "`yesterday` is no time; write `2h` for two hours ago"),
        ("tag=run", "`run` is not a tag; write `name=value`"),
        ("attribute=customer", "`customer` is not an attribute to look for"),
        ("limit=0", "`limit` must be a whole number from 1 to 200"),
        ("since=1h&until=2h", "`since` is not before `until`"),
        ("cursor=nothing", "the cursor is of another namespace, or of no list at all; begin at the first page"),
        ("cursor=0198c0de-0000-7000-8000-000000000000.00000000", "the cursor is of another namespace"),
    ],
)
def test_a_filter_that_cannot_be_is_one_sentence(engine: hydra.Engine, query: str, sentence: str) -> None:
    answer = browser_of(engine).get(f"/executions?{query}")
    assert answer.status_code == 400
    assert sentence in unescape(answer.text)


def test_a_cursor_of_another_namespace_is_refused(shop: Shop) -> None:
    with hydra.Engine(shop.url) as engine, hydra.Engine(shop.url, namespace="other") as other:
        text = browser_of(engine).get("/executions?limit=2").text
        found = re.search(r"cursor=([^\"&]+)", text)
        assert found is not None
        assert "of another namespace" in browser_of(other).get(f"/executions?cursor={found[1]}").text
        assert browser_of(other).get(f"/executions/{shop.failed}").status_code == 404


def test_it_works_below_a_path_of_another_app(engine: hydra.Engine, shop: Shop) -> None:
    outer = Starlette(routes=[Mount("/ops/hydra", dashboard.app(engine, authorize=me))])
    browser = TestClient(outer, base_url="http://hydra.test", headers={"accept": "text/html"})
    text = browser.get("/ops/hydra/executions").text
    assert f'href="/ops/hydra/executions/{shop.failed}"' in text
    assert browser.get("/ops/hydra/static/page.css").headers["content-type"].startswith("text/css")
    assert browser.get(f"/ops/hydra/executions/{shop.failed}").status_code == 200
    assert [cookie.path for cookie in browser.cookies.jar] == ["/ops/hydra"]
    document = browser.get("/ops/hydra/api/v1/openapi.json").json()
    assert document["servers"] == [{"url": "/ops/hydra"}]


def test_what_is_not_there_is_one_sentence(engine: hydra.Engine) -> None:
    browser = browser_of(engine)
    for path in (
        "/executions/nothing",
        "/executions/0198c0de-0000-7000-8000-000000000000",
        "/nowhere",
        "/limits?name=x",
    ):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert 'role="alert"' in answer.text
    assert "this cannot be done here that way" in browser.post("/nodes").text


def test_a_database_that_cannot_be_read_is_one_sentence(tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = f"sqlite:///{tmp_path_factory.mktemp('empty')}/none.db"
    with hydra.Engine(empty, migrate=False) as engine:
        answer = browser_of(engine).get("/")
    assert answer.status_code == 503
    assert "hydra migrate" in unescape(answer.text)


@hydra.step
def paged_note(folder: str) -> None:
    Path(folder, hydra.current().id).touch()


@hydra.workflow(limits=[hydra.Concurrency(1, key="card")])
def paged_seat(card: str, folder: str) -> None:
    paged_note(folder)
    until(lambda: Path(folder, "gate").exists())


@hydra.workflow
def paged_middle(card: str) -> Any:
    return hydra.spawn(paged_bill.bind(card)).result()


@hydra.workflow
def paged_top(card: str) -> Any:
    return hydra.spawn(paged_middle.bind(card)).result()


def test_a_grandchild_leads_up_to_the_root_of_its_tree(own: hydra.Engine) -> None:
    with own.worker():
        top = own.submit(paged_top.bind("visa-1"))
        top.result(60)
    (middle,) = (each.id for each in own.executions(workflow="paged_middle"))
    (leaf,) = (each.id for each in own.executions(workflow="paged_bill"))
    told = unescape(re.sub(r"<[^>]+>", "", browser_of(own).get(f"/executions/{leaf}").text))
    assert f"Part of {top.id} \u203a {middle}, which leads to it" in told


@pytest.fixture
def of_all_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules of other tests define limits, too, which are in a node's registry here."""
    monkeypatch.setattr(limits, "COUNTED_LIMITS", 10_000)


@pytest.mark.usefixtures("of_all_limits")
def test_what_is_counted_no_further_says_so(own: hydra.Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (limit_orders, limits):
        monkeypatch.setattr(module, "COUNTED_WAITING", 2)
    (tmp_path / "gate").touch()
    with own.worker():
        own.submit(paged_seat.bind("visa-1", str(tmp_path))).result(60)
    browser = browser_of(own)
    for shown in ("1", "2 or more", "2 or more"):
        own.submit(paged_seat.bind("visa-1", str(tmp_path)))
        for path in ("/limits", "/limits?name=paged_seat.card"):
            assert f'<td class="num">{shown}</td>' in browser.get(path).text


@pytest.mark.usefixtures("of_all_limits")
def test_limits_say_how_many_hold_and_wait_and_who_holds(own: hydra.Engine, tmp_path: Path) -> None:
    with own.worker():
        handles = [own.submit(paged_seat.bind("visa-1", str(tmp_path))) for _ in range(3)]
        until(lambda: any((tmp_path / each.id).exists() for each in handles))
        (holder,) = (each.id for each in handles if (tmp_path / each.id).exists())
        browser = browser_of(own)
        cells = re.findall(r"<td[^>]*>(?:<a[^>]*>)?([^<]*)", browser.get("/limits").text)
        at = cells.index("paged_seat.card")
        assert cells[at : at + 7] == ["paged_seat.card", "concurrency", "1 at once", "1 at once", "1", "2", NOTHING]
        one = browser.get("/limits?name=paged_seat.card").text
        assert ids_in(one) == [holder]
        (tmp_path / "gate").touch()
        for each in handles:
            each.result(60)
    assert ids_in(browser.get("/limits?name=paged_seat.card").text) == []


def test_acts_are_listed_with_who_ordered_what_and_why(own: hydra.Engine) -> None:
    ids = put_pending(own, 3)
    with own.acting("token:ana", reason=HOSTILE):
        own.select(workflow="paged_bill").cancel()
    with own.acting("token:ben", reason="too many"):
        own.pause_workflow("paged_bill")
    browser = browser_of(own)
    page = browser.get("/acts")
    assert "3 executions, such as" in page.text and "token:ben" in page.text and "<script>alert" not in page.text
    assert "too many" in page.text and "the namespace" in page.text
    only = browser.get("/acts?by=ana&kind=cancel&since=1h").text
    assert "token:ben" not in only and ids_in(only)[0] in ids
    assert "No acts match." in browser.get("/acts?by=nobody").text
    for wrong, sentence in (("since=yesterday-ish", "yesterday-ish"), ("kind=theft", "is not a kind of act")):
        answer = browser.get(f"/acts?{wrong}")
        assert answer.status_code == 400 and sentence in unescape(answer.text)

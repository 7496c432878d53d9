"""What the page orders: of one execution, of all that match, and of what runs them; and who may."""

from __future__ import annotations

import re
from html import unescape

import hydra
import pytest
from httpx2 import Response
from hydra import Status
from hydra.dashboard import orders

from tests.dashboard.conftest import (
    LINES,
    browser_of,
    mark_of,
    order,
    paged_bill,
    paged_doubt,
    paged_fail,
    paged_wait,
    put_pending,
    sign_in,
)
from tests.processes.scene import until


def said(answer: object) -> str:
    """The sentence on the page after an order."""
    assert isinstance(answer, Response)
    found = re.search(r'class="said said-\w+" role="(?:status|alert)">\s*(.*?)\s*</p>', answer.text, re.DOTALL)
    assert found is not None, answer.text
    return unescape(found[1])


def test_one_execution_is_retried_run_again_signalled_forked_and_cancelled(own: hydra.Engine) -> None:
    browser = browser_of(own)
    with own.worker():
        failed = own.submit(paged_fail.bind("no"), key="inv-1")
        waiting = own.submit(paged_wait.bind())
        with pytest.raises(hydra.WorkflowFailed):
            failed.result(timeout=60)
        until(lambda: waiting.status() is Status.WAITING)
        signalled = order(browser, f"/executions/{waiting.id}", order="signal", name="approved", value='{"by": "ops"}')
        assert said(signalled) == "event `approved` was put before it"
        assert waiting.result(timeout=60) == {"by": "ops"}
        before = len(failed.attempts())
        retried = order(browser, f"/executions/{failed.id}", order="retry")
        assert said(retried) == "it runs again from where it failed"
        until(lambda: failed.status() is Status.FAILED and len(failed.attempts()) > before)
        forked = order(browser, f"/executions/{failed.id}", order="fork", step="paged_refuse")
        assert f"forked from `{failed.id}`" in said(forked)
        again = order(browser, f"/executions/{failed.id}", order="rerun", why="bug 81 is fixed")
        assert f"run again from `{failed.id}`" in said(again)
        assert "rerun_of by ana" in again.text and "bug 81 is fixed" in again.text
        assert [(act.kind, act.done_by, act.reason) for act in failed.acts()] == [
            ("retry", "ana", ""), ("rerun", "ana", "bug 81 is fixed"),
        ]  # fmt: skip
        until(lambda: own.find("paged_fail", "inv-1").status() is Status.FAILED)
    late = own.submit(paged_bill.bind("visa-1"))
    cancelled = order(browser, f"/executions/{late.id}", order="cancel")
    assert said(cancelled) == "it was asked to end, and is cancelled"
    refused = order(browser, f"/executions/{late.id}", order="retry")
    assert "is cancelled; only a failed one can be retried" in said(refused)


def test_a_step_in_doubt_is_forked_by_nobody_and_by_force_by_an_admin(own: hydra.Engine) -> None:
    browser = browser_of(own, tokens=LINES)
    sign_in(browser, "operate")
    with own.worker():
        handle = own.submit(paged_doubt.bind("visa-1"))
        until(lambda: handle.status() == "parked")
    step = handle.steps()[0].name
    refused = order(browser, f"/executions/{handle.id}", order="fork", step=step)
    assert "resolve that step first" in said(refused)
    assert order(browser, f"/executions/{handle.id}", order="fork", step=step, force="1").status_code == 403
    assert [each.id for each in own.executions(workflow="paged_doubt")] == [handle.id]


def test_a_step_in_doubt_is_settled(own: hydra.Engine) -> None:
    browser = browser_of(own)
    with own.worker():
        handle = own.submit(paged_doubt.bind("visa-1"))
        until(lambda: handle.status() is Status.PARKED)
        found = re.search(r'<option value="(\d+)">paged_transfer', browser.get(f"/executions/{handle.id}").text)
        assert found is not None
        gone = order(browser, f"/executions/{handle.id}", order="resolve", step="99", value='"pay-81"')
        assert "not in doubt any more" in said(gone)
        order(browser, f"/executions/{handle.id}", order="resolve", step=found[1], value='"pay-81"')
        assert handle.result(timeout=60) == "pay-81"


def test_an_act_by_a_filter_names_its_count_first_and_refuses_more(own: hydra.Engine) -> None:
    put_pending(own, 3)
    browser = browser_of(own)
    shown = browser.get("/act?act=cancel&workflow=paged_bill&since=2h")
    assert "3 match, 3 would be done, 0 refused (nothing was touched)." in said(shown)
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', shown.text))
    assert fields["expected"] == "3" and "T" in fields["since"]  # `2h` is an instant from now on
    assert [each.status for each in own.executions()] == [Status.PENDING] * 3
    put_pending(own, 1)
    headers = {"origin": "http://hydra.test"}
    refused = browser.post("/act", data=fields, headers=headers)
    assert refused.status_code == 409
    assert said(refused).startswith("4 executions match, and at most 3 were expected")
    assert [each.status for each in own.executions()] == [Status.PENDING] * 4
    done = browser.post("/act", data={**fields, "expected": "4"}, headers=headers)
    assert "4 match, 4 done, 0 refused." in said(done)
    assert [each.status for each in own.executions()] == [Status.CANCELLED] * 4


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("act=purge&status=failed", "`purge` is no act on many; it is one of retry"),
        ("act=cancel", "an act on many takes a filter"),
        ("act=cancel&status=failed&status=parked", "the parameter `status` is given more than once"),
        ("act=cancel&act=retry&status=failed", "the parameter `act` is given more than once"),
        ("act=cancel&status=lost", "`lost` is not a status"),
        ("act=signal&status=waiting&name=approved&value=%7B", "is not JSON"),
    ],
)
def test_an_act_that_cannot_be_is_one_sentence(own: hydra.Engine, query: str, sentence: str) -> None:
    answer = browser_of(own).get(f"/act?{query}")
    assert answer.status_code in (409, 422)
    assert sentence in said(answer)


def test_more_than_the_page_takes_are_refused_before_they_are_looked_at(
    own: hydra.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_pending(own, 3)
    monkeypatch.setattr(orders, "MAX_AT_ONCE", 2)
    for query in ("workflow=paged_bill", "workflow=paged_bill&since=1h"):
        answer = browser_of(own).get(f"/act?act=cancel&{query}")
        assert answer.status_code == 409
        assert said(answer).startswith("3 executions match, and")


def test_an_act_on_what_does_not_match_says_so(own: hydra.Engine) -> None:
    answer = browser_of(own).get("/act?act=retry&workflow=paged_fail")
    assert said(answer).startswith("0 match")
    assert '<button class="danger">' not in answer.text


def test_what_runs_is_paused_and_goes_on(own: hydra.Engine) -> None:
    put_pending(own, 1)
    browser = browser_of(own)
    paused = order(browser, "/commands", order="pause_workflow", name="paged_bill", why="the bank is down")
    assert said(paused) == "workflow `paged_bill` is paused"
    (pause,) = own.pauses()
    assert (pause.paused_by, pause.reason) == ("ana", "the bank is down")
    order(browser, "/commands", order="resume_workflow", name="paged_bill")
    assert own.pauses() == []
    unknown = order(browser, "/commands", order="pause_schedule", name="nothing")
    assert "nothing" in said(unknown)
    assert order(browser, "/commands", order="shutdown", name="x").status_code == 422


def test_each_role_may_do_what_it_may(own: hydra.Engine) -> None:
    id = put_pending(own, 1)[0]
    given = {
        "operate": (f"/executions/{id}", {"order": "cancel"}),
        "admin": ("/commands", {"order": "pause_namespace"}),
        "admin for undo": (f"/executions/{id}", {"order": "cancel", "without_undo": "1"}),
        "admin for force": (f"/executions/{id}", {"order": "rerun", "force": "1"}),
        "many": ("/act", {"act": "cancel", "expected": "1", "workflow": "paged_bill"}),
    }
    for role, refused in (("view", set(given)), ("operate", {"admin", "admin for undo", "admin for force"})):
        browser = browser_of(own, tokens=LINES)
        sign_in(browser, role)
        page = browser.get(f"/executions/{id}").text
        assert ("Cancel it" in page) == (role != "view")
        mark = mark_of(page)
        for name, (path, fields) in given.items():
            if name in refused:
                answer = browser.post(path, data={"mark": mark, **fields})
                assert answer.status_code == 403, name
                assert f"`{role}er` has the role `{role}`; this takes" in said(answer)
        assert own.get(id).status() is Status.PENDING and own.pauses() == []


def test_a_paused_namespace_is_named_by_one_word(own: hydra.Engine) -> None:
    own.pause_namespace()
    assert ">namespace is paused, by " in browser_of(own).get("/").text

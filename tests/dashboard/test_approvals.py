"""What takes a second person, on the page and at the API: who may decide, and what both names come to."""

from __future__ import annotations

from contextlib import suppress

import hydra
import pytest

from tests.dashboard.conftest import LINES, browser_of, order, paged_wait, program_of, sign_in


def asked(own: hydra.Engine) -> tuple[hydra.Handle[object], str]:
    handle = own.submit(paged_wait.bind())
    with own.acting("token:zoe", reason="ticket 81"):
        with suppress(hydra.ApprovalNeeded):
            own.require_approval(["cancel"])
        with pytest.raises(hydra.ApprovalNeeded) as needed:
            handle.cancel(undo=False)
    return handle, needed.value.approval_id


def test_the_page_shows_what_waits_and_decides(own: hydra.Engine) -> None:
    handle, id = asked(own)
    browser = browser_of(own)
    shown = browser.get("/acts").text
    assert f"cancel execution `{handle.id}` without undo" in shown and "token:zoe" in shown and id in shown
    order(browser, "/commands", order="approve", name=id)
    assert handle.status() == "cancelled"
    assert "Waiting for a second person" not in browser.get("/acts").text
    other, id = asked(own)
    order(browser, "/commands", order="refuse", name=id)
    assert other.status() == "pending"


def test_at_the_api_an_administrator_decides_and_others_look(own: hydra.Engine) -> None:
    handle, id = asked(own)
    admin, operator = program_of(own, "admin"), program_of(own, "operate")
    (shown,) = [each for each in operator.get("/api/v1/approvals").json()["approvals"] if each["id"] == id]
    assert (shown["state"], shown["asked_by"], shown["execution_ids"]) == ("open", "token:zoe", [handle.id])
    refused = operator.post(f"/api/v1/approvals/{id}", json={"approve": True})
    assert refused.status_code == 403 and handle.status() == "pending"
    done = admin.post(f"/api/v1/approvals/{id}", json={"approve": True, "reason": "seen"})
    assert done.json() == {"done": {handle.id: "cancelled"}, "refused": {}}
    assert admin.post(f"/api/v1/approvals/{id}", json={"approve": False}).status_code == 409
    assert admin.post("/api/v1/approvals/none", json={"approve": False}).status_code == 404
    other = own.submit(paged_wait.bind())
    needed = admin.post(f"/api/v1/executions/{other.id}/cancel", json={"undo": False})
    assert needed.status_code == 409 and "takes a second person" in needed.json()["detail"]
    assert other.status() == "pending"


def test_without_the_role_the_page_offers_no_decision(own: hydra.Engine) -> None:
    handle, id = asked(own)
    browser = browser_of(own, tokens=LINES)
    sign_in(browser, "operate")
    shown = browser.get("/acts").text
    assert "takes an admin" in shown and 'value="approve"' not in shown
    assert order(browser, "/commands", order="approve", name=id).status_code == 403
    assert handle.status() == "pending"

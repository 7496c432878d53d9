"""The page in a real browser, by hand: axe on each view in light and dark, keyboard, orders, screenshots.

    apt-get install chromium chromium-driver
    pip install selenium
    npm pack axe-core && tar xzf axe-core-*.tgz
    python -m tests.dashboard.browser --axe package/axe.min.js --shots /tmp/shots

With `--million URL` of a database that `benches/page_views.py` has filled, it looks at nothing, at a hundred executions
and at those of the URL instead: axe, and the pictures that the documents show.

It ends with exit code 1 where axe finds something, where a page reports an error, or where an order does not work.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import hydra
from hydra.execution import Status

from tests.dashboard.chromium import PHONE, WIDE, Browser, order_by_keyboard, served
from tests.dashboard.conftest import paged_bill, paged_fail, paged_wait, settle, submit_all
from tests.processes.scene import until

LOOKS = (("light", WIDE, "light"), ("dark", WIDE, "dark"), ("light", PHONE, "phone"))
CARDS = ("visa-4411", "visa-7702", "amex-1002", "visa-9310")


class ProviderBusy(Exception):
    pass


@hydra.step(max_attempts=3, backoff=hydra.Backoff(initial=0.4, jitter=0))
def charge(card: str, pennies: int) -> str:
    if hydra.current().attempt == 1:
        raise ProviderBusy("the provider answers 503")
    return f"{card} paid {pennies}"


@hydra.step
def post_to_ledger(receipt: str) -> int:
    return 4711


@hydra.step
def render(card: str) -> dict[str, str]:
    if card.startswith("amex"):
        raise LookupError(f"no template for {card}")
    return {"pdf": f"{card}.pdf"}


@hydra.workflow
def send_receipt(card: str) -> dict[str, str]:
    return render(card)


@hydra.workflow
def collect_invoice(card: str, pennies: int) -> int:
    receipt = charge(card, pennies)
    hydra.sleep(0.5)
    approval = hydra.wait_event("approved")
    assert approval
    hydra.spawn(send_receipt.bind(card)).result()
    return post_to_ledger(receipt)


def tell_a_story(engine: hydra.Engine) -> hydra.Handle[int]:
    """What the screenshots show: invoices, one of which was approved late; its handle."""
    for number in range(30):
        engine.submit(send_receipt.bind(CARDS[number % 4]), key=f"inv-{number}", tags={"run": "2026-11"})
    handle = engine.submit(collect_invoice.bind("visa-4411", 1999), key="inv-4711", tags={"run": "2026-11"})
    until(lambda: handle.status() is Status.WAITING)
    time.sleep(0.6)
    handle.signal("approved", {"by": "ana"})
    handle.result(60)
    engine.submit(collect_invoice.bind("visa-7702", 250), key="inv-4712", tags={"run": "2026-12"})
    return handle


def look_at_sizes(axe: str, shots: Path, million: str) -> list[str]:
    """The overview and the list of nothing, of a hundred executions, of a million."""
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for count, url in (("0", f"sqlite:///{folder}/0.db"), ("100", f"sqlite:///{folder}/100.db"), ("1M", million)):
            with hydra.Engine(url) as engine:
                engine.migrate()
                if count == "100":
                    fill_hundred(engine)
                with served(engine) as page:
                    for scheme, size, name in LOOKS:
                        browser = Browser(scheme, size, axe)
                        for view, path in (("overview", "/"), ("list", "/executions"), ("errors", "/errors")):
                            problems += browser.problems(page + path)
                            browser.shoot(page + path, shots / f"{view}-{count}-{name}.webp")
                        browser.driver.quit()
    return problems


def fill_hundred(engine: hydra.Engine) -> None:
    with engine.worker():
        handles = [engine.submit(send_receipt.bind(CARDS[number % 4]), key=f"inv-{number}") for number in range(95)]
        for handle in handles:
            with suppress(hydra.WorkflowFailed):
                handle.result(120)
        waiting = [engine.submit(paged_wait.bind(), key=f"order-{number}") for number in range(3)]
        until(lambda: all(each.status() is Status.WAITING for each in waiting), 60)
    for number in range(2):
        engine.submit(paged_bill.bind(f"visa-{number}"))


def run() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--axe", type=Path, required=True)
    parser.add_argument("--shots", type=Path, required=True)
    parser.add_argument("--million", metavar="URL")
    arguments = parser.parse_args()
    arguments.shots.mkdir(parents=True, exist_ok=True)
    axe = arguments.axe.read_text()
    if arguments.million:
        return tell(look_at_sizes(axe, arguments.shots, arguments.million))
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder, hydra.Engine(f"sqlite:///{folder}/shop.db") as engine:
        with engine.worker():
            handles = submit_all(engine)
            settle(handles)
            for number in range(40):
                engine.submit(paged_bill.bind(f"visa-{number}"), key=f"inv-{number}")
            story = tell_a_story(engine)
            late = engine.submit(paged_fail.bind("card 4711 was refused"), key="inv-99")
            with suppress(hydra.WorkflowFailed):
                late.result(60)
        for number in range(5):
            engine.submit(paged_bill.bind(f"visa-{number}"), delay=60, tags={"run": "2026-11"})
        with served(engine) as url:
            views = ["/", "/executions", "/errors", "/schedules", "/limits", "/nodes", "/acts", "/login", "/nowhere"]
            views += [f"/executions/{each.id}" for each in (*handles.values(), late, story)]
            views += ["/act?act=retry&status=failed", "/act?act=signal&status=waiting"]
            for scheme, size, name in LOOKS:
                browser = Browser(scheme, size, axe)
                for view in views:
                    problems += browser.problems(url + view)
                shot = arguments.shots
                browser.shoot(f"{url}/", shot / f"overview-{name}.webp")
                browser.shoot(f"{url}/executions?since=1d&tag=run%3D2026-11", shot / f"list-{name}.webp")
                browser.shoot(f"{url}/executions/{story.id}", shot / f"story-{name}.webp")
                browser.shoot(f"{url}/executions/{late.id}", shot / f"execution-{name}.webp")
                browser.shoot(f"{url}/act?act=retry&status=failed", shot / f"act-{name}.webp")
                if name == "light":
                    problems += order_by_keyboard(browser, url, engine)
                browser.driver.quit()
    return tell(problems)


def tell(problems: list[str]) -> int:
    for problem in problems:
        print(problem)
    print(f"{len(problems)} found")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(run())

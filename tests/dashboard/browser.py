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
import base64
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import hydra
from hydra.dashboard.access import Operator, Role
from hydra.dashboard.asgi import app
from hydra.execution import Status
from hydra.observability.http import listen
from uvicorn import Config, Server

from tests.dashboard.conftest import paged_bill, paged_fail, paged_wait, settle, submit_all
from tests.processes.scene import until

WIDE, PHONE = (1280, 900), (390, 844)
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


@contextmanager
def served(engine: hydra.Engine) -> Iterator[str]:
    listening = listen("127.0.0.1", 0)
    page = app(engine, authorize=lambda request: Operator("ana", Role.ADMIN))
    server = Server(Config(page, log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = server.force_exit = True
    thread.join(10)


class Browser:
    def __init__(self, scheme: str, size: tuple[int, int], axe: str) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for option in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={size[0]},{size[1]}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_script_timeout(300)
        self.driver.set_page_load_timeout(300)
        feature = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self._axe = axe
        self.scheme = scheme

    def problems(self, url: str) -> list[str]:
        """What axe finds, what the console says, what is wider than the screen."""
        self.driver.get(url)
        self.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
        self.driver.execute_script(self._axe)
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = self.driver.execute_async_script("axe.run({runOnly: arguments[0]}).then(arguments[1])", tags)
        said = [f"{self.scheme} {url}: {each['id']}: {each['nodes'][0]['html'][:200]}" for each in found["violations"]]
        lines = [line["message"] for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]
        said += [f"{url}: {line}" for line in lines if "/nowhere" not in line]
        if self.driver.execute_script("return document.documentElement.scrollWidth > innerWidth + 1"):
            said.append(f"{url}: it is wider than the screen")
        return said

    def shoot(self, url: str, path: Path) -> None:
        self.driver.get(url)
        options = {"format": "webp", "quality": 70}
        path.write_bytes(base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]))


def order_by_keyboard(browser: Browser, url: str, engine: hydra.Engine) -> list[str]:
    """A retry with nothing but the keyboard, and a page that follows it without being loaded again."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    handle = engine.submit(paged_bill.bind("visa-9"))
    driver = browser.driver
    driver.get(f"{url}/executions/{handle.id}")
    summary = driver.find_element(By.XPATH, "//summary[.='Cancel']")
    summary.send_keys(Keys.ENTER)
    button = driver.find_element(By.XPATH, "//button[.='Cancel it']")
    button.send_keys(Keys.ENTER)
    until(lambda: handle.status() is Status.CANCELLED, 30)
    follows = engine.submit(paged_bill.bind("visa-10"))
    driver.get(f"{url}/executions/{follows.id}")
    until(lambda: driver.find_element(By.ID, "live").is_displayed(), 30)
    follows.cancel()

    def is_told() -> bool:
        with suppress(Exception):
            return "it was cancelled" in driver.find_element(By.CSS_SELECTOR, ".why").text
        return False

    try:
        until(is_told, 30)
    except TimeoutError:
        return ["the page did not follow a cancel"]
    return []


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

"""A real Chromium that looks at the page: axe, the console, the width, orders by keyboard, pictures."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import hydra
from hydra.dashboard.access import Operator, Role
from hydra.dashboard.asgi import app
from hydra.execution import Status
from hydra.observability.http import listen
from uvicorn import Config, Server

from tests.dashboard.conftest import paged_bill
from tests.processes.scene import until

WIDE, PHONE = (1280, 900), (390, 844)


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

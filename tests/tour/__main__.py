"""Takes the pictures of README's tour: `python -m tests.tour`, or `make tour`.

A demo of its own is started on free ports, with data of its own, and walked through in
Chromium as its administrators would. The pictures lie beside this file, one for each stop.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, ViewportSize, sync_playwright

from portal.processes.demo import LOGINS, PASSWORD
from tests.conftest import NO_CHROMIUM, find_chromium
from tests.processes.test_demo import demo, free_ports

FOLDER = Path(__file__).parent
SIZE: ViewportSize = {"width": 1280, "height": 800}
ADMINISTRATOR = LOGINS[0][0]


@dataclass(frozen=True)
class Stop:
    """One picture: where it is taken, what is done there first, and in which theme."""

    name: str
    path: str
    act: Callable[[Page], None] = lambda page: None
    theme: Literal["light", "dark"] = "light"


def _ask_to_restore(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Actions for ")).first.click()
    page.locator(":popover-open").get_by_text("Restore latest").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore").wait_for()


STOPS = (
    Stop("overview", ""),
    Stop("sandbox", "sandbox/"),
    Stop("volumes", "volumes/"),
    Stop("restore", "volumes/", _ask_to_restore),
    Stop("recovery", "disaster-recovery/", theme="dark"),
    Stop("readiness", "settings/disaster-recovery/"),
    Stop("reports", "reports/"),
)


def main() -> int:
    """Take all pictures; 1 if there is no browser."""
    chromium = find_chromium()
    if chromium is None:
        print(NO_CHROMIUM, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="standby-tour-") as data, sync_playwright() as driver:
        web, *lab = map(str, free_ports(4))
        moved = {"STANDBY_DATA_DIR": data, "STANDBY_LAB_PORTS": ",".join(lab), "PORT": web}
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with demo(os.environ | moved):
            page = browser.new_page(viewport=SIZE)
            page.set_default_timeout(60_000)
            account = _enter(page, f"http://127.0.0.1:{web}/")
            for stop in STOPS:
                _take(page, account, stop)
        browser.close()
    return 0


def _enter(page: Page, url: str) -> str:
    """Sign in, and return the account's address."""
    page.goto(url)
    page.get_by_label("Email").fill(ADMINISTRATOR)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/accounts/**")
    return page.url


def _take(page: Page, account: str, stop: Stop) -> None:
    page.emulate_media(color_scheme=stop.theme, reduced_motion="reduce")
    page.goto(account + stop.path)
    stop.act(page)
    page.screenshot(path=FOLDER / f"{stop.name}.png")
    print(f"{stop.name}.png")


if __name__ == "__main__":
    sys.exit(main())

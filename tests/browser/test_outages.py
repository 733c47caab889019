"""A person at work while the database cannot be reached: told so, and nothing entered is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection, connections
from django.urls import reverse

from backups.models import Backup
from tests.browser.conftest import Browser
from tests.scene import Scene

TITLE = "The database cannot be reached"


@contextmanager
def database_away(tmp_path: Path) -> Iterator[None]:
    """Each request of the live server connects anew; where it now looks there is no folder."""
    assert connection.vendor == "sqlite"
    settings = connections.settings["default"]
    name = settings["NAME"]
    settings["NAME"] = str(tmp_path / "gone" / "standby.sqlite3")
    try:
        yield
    finally:
        settings["NAME"] = name


def test_a_form_keeps_what_was_entered_until_the_database_is_back(
    scene: Scene, browser_tab: Browser, tmp_path: Path
) -> None:
    page = browser_tab.page
    browser_tab.open(reverse("backups:sandbox_detail", args=[scene.resource.account_id]))
    page.get_by_role("link", name="Create backup").first.click()
    name = page.get_by_label("Name")
    name.fill("Before the update")
    create = page.get_by_role("dialog").get_by_role("button", name="Create")
    with database_away(tmp_path):
        create.click()
        toast = page.locator(".toast", has_text=TITLE)
        toast.wait_for()
        create.click()
        page.wait_for_load_state("networkidle")
        assert toast.count() == 1
        assert name.input_value() == "Before the update"
        browser_tab.assert_sound()
    assert not Backup.objects.exists()
    create.click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Power off")).wait_for()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_of_an_outage_is_sound_and_leads_back(
    theme: str, scene: Scene, browser_tab: Browser, tmp_path: Path
) -> None:
    page = browser_tab.page
    path = reverse("backups:sandbox_detail", args=[scene.resource.account_id])
    cookie = {"name": "theme", "value": theme, "url": browser_tab.url}
    page.context.add_cookies([cookie])  # type: ignore[list-item]
    with database_away(tmp_path):
        browser_tab.open(path)
        assert page.get_by_role("heading", level=1).inner_text() == TITLE
        assert page.locator("html").get_attribute("data-theme") == theme
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 800})
            browser_tab.assert_sound()
    page.get_by_role("link", name="Try again").click()
    page.wait_for_url(f"**{path}")
    assert page.get_by_role("heading", level=1).inner_text() != TITLE

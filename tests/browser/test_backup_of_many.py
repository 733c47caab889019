"""A backup of many volumes, watched from its request to the retry of what failed."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from portal.audit import SYSTEM
from tests.browser.conftest import Browser
from tests.reporting.many import volume
from tests.scene import Scene
from volumes.selection import Selection
from volumes.services import backup_selection


def test_its_page_fills_settles_and_retries_what_failed(browser_tab: Browser, scene: Scene) -> None:
    tab, page, account = browser_tab, browser_tab.page, scene.resource.account
    for name in ("pd-0001", "pd-0002"):
        volume(account, name=name)  # the lab has no such machine: their backups fail
    task = backup_selection(SYSTEM, account, Selection(), name="Nightly")
    tab.open(f"/accounts/{account.pk}/tasks/{task.pk}/")
    expect(page.get_by_role("heading", name="None has begun")).to_be_visible()

    scene.allow_time(task)
    scene.drive_until(task.children.exists)
    rows = page.locator("#rows tbody tr")
    expect(rows).to_have_count(2)  # drawn anew by itself
    scene.drive(task)
    expect(page.locator(f"#task-{task.pk}").get_by_role("status")).to_have_text("All 2 failed")
    expect(rows.get_by_role("link", name=re.compile("^Retry"))).to_have_count(2)
    expect(page.locator("[data-live]")).to_have_count(0)
    tab.assert_sound()

    page.get_by_role("link", name="Done 0").click()
    expect(page.get_by_role("heading", name="None at present")).to_be_visible()
    page.get_by_role("link", name="Retry failed").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry failed").click()
    expect(page.get_by_role("heading", level=1, name="Backup 2 volumes")).to_be_visible()
    expect(page).not_to_have_url(re.compile(str(task.pk)))
    tab.assert_sound()

"""The Backups tab in a real browser: backups that are really made, and a quiet console."""

from __future__ import annotations

from playwright.sync_api import expect

from portal.audit import SYSTEM
from tests.browser.conftest import Browser
from tests.reporting.many import volume
from tests.scene import Scene
from tests.volume_scene import DESKTOP, USER
from volumes.selection import Selection
from volumes.services import backup_selection


def test_the_list_is_true_when_the_progress_above_it_has_gone(
    browser_tab: Browser, scene: Scene
) -> None:
    page, machine = browser_tab.page, scene.resource
    machine.kind, machine.user_name, machine.name = DESKTOP, USER, "pd-0388"
    machine.save()
    volume(machine.account, name="pd-0404")  # the lab has no such machine: its backup fails
    task = backup_selection(SYSTEM, machine.account, Selection(), name="Nightly")
    scene.allow_time(task)
    scene.drive_until(task.children.exists)
    browser_tab.open(f"/accounts/{machine.account_id}/volumes/backups/")
    progress = page.locator("#volume-progress")
    expect(progress.get_by_text("of 2 volumes", exact=False).first).to_be_visible()
    scene.drive(task)
    expect(progress.get_by_text("Creating backups")).to_have_count(0)
    expect(page.locator("[data-live]")).to_have_count(0)
    rows = page.locator("#rows tbody tr")
    expect(rows.filter(has_text="pd-0388").get_by_text("Complete")).to_be_visible()
    expect(rows.filter(has_text="pd-0404").get_by_text("Failed", exact=True)).to_be_visible()
    browser_tab.assert_sound()


def test_choosing_a_kind_in_settings_leaves_no_warning(browser_tab: Browser, scene: Scene) -> None:
    page, told = browser_tab.page, []
    page.on("console", lambda message: told.append((message.type, message.text)))
    browser_tab.open(f"/accounts/{scene.resource.account_id}/volumes/backups/")
    page.get_by_role("button", name="Backups section actions").click()
    page.locator("#section-menu").get_by_role("link", name="Settings").click()
    kinds = page.get_by_role("dialog").get_by_role("navigation", name="Type of volumes")
    for name in ("Personal Drives", "Enterprise Profiles"):
        kinds.get_by_role("link", name=name).click()
        expect(kinds.locator("[aria-current=page]")).to_have_text(name)
    assert [text for kind, text in told if kind in ("warning", "error")] == []

"""The settings of a system in a real browser: by mouse, by keyboard, and without script."""

from __future__ import annotations

from datetime import time

import pytest
from playwright.sync_api import Locator, Page, expect

from backups.models import Backup, BackupPolicy
from portal.models import Task
from tests.browser.conftest import Browser
from tests.factories import BackupFactory
from tests.scene import Scene

SCHEDULED = "Number of scheduled backups retained"
MANUAL = "Number of manual backups retained"


def _sandbox(scene: Scene) -> str:
    return f"/accounts/{scene.resource.account_id}/sandbox/"


def _open(tab: Browser, scene: Scene) -> Locator:
    tab.open(_sandbox(scene))
    tab.page.get_by_role("button", name="Actions for backups of").click()
    tab.page.get_by_role("link", name="Settings").and_(tab.page.locator(".menu a")).click()
    dialog = tab.page.get_by_role("dialog", name="Backups Settings")
    expect(dialog).to_be_visible()
    return dialog


def _schedule(dialog: Locator, at: str) -> None:
    dialog.get_by_label("Time of day").fill(at)
    dialog.get_by_label("Time zone").select_option("Europe/London")


def _preview(page: Page) -> Locator:
    return page.locator("#policy-preview")


def test_the_switch_reveals_two_fields_and_confirm_saves(
    browser_tab: Browser, scene: Scene
) -> None:
    dialog = _open(browser_tab, scene)
    switch = dialog.get_by_role("switch", name="Schedule daily backups")
    expect(switch).to_be_focused()
    expect(dialog.get_by_label("Time of day")).to_be_hidden()
    expect(dialog.get_by_label(SCHEDULED)).to_be_hidden()
    expect(dialog.get_by_label(MANUAL)).to_be_visible()
    switch.check()
    _schedule(dialog, "22:00")
    expect(_preview(browser_tab.page).get_by_text("Europe/London")).to_be_visible()
    expect(_preview(browser_tab.page).locator("time")).to_have_count(3)
    dialog.get_by_label(SCHEDULED).fill("5")
    browser_tab.assert_sound()
    dialog.get_by_role("button", name="Confirm").click()
    expect(browser_tab.page.get_by_text("Settings saved. Next backup")).to_be_visible()
    expect(browser_tab.page.get_by_text("Daily at 22:00 Europe/London")).to_be_visible()
    policy = BackupPolicy.objects.get()
    assert (policy.backup_time, policy.keep_scheduled) == (time(22), 5)
    assert not Task.objects.exists(), "saving starts nothing (R076)"


def test_it_tells_what_goes_before_anything_is_saved(browser_tab: Browser, scene: Scene) -> None:
    BackupFactory.create_batch(2, resource=scene.resource, type="S", name="Night")
    BackupFactory.create_batch(2, resource=scene.resource, type="M")
    page = browser_tab.page
    dialog = _open(browser_tab, scene)
    dialog.get_by_role("switch").check()
    dialog.get_by_label(SCHEDULED).fill("1")
    dialog.get_by_label(MANUAL).fill("1")
    expect(_preview(page).get_by_text("Deleted by the next scheduled backup")).to_be_visible()
    expect(_preview(page).get_by_text("2 must be deleted before another")).to_be_visible()
    dialog.get_by_label(MANUAL).fill("101")
    expect(_preview(page).get_by_text("Enter a whole number from 1 to 100.")).to_be_visible()
    browser_tab.assert_sound()
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert not BackupPolicy.objects.exists(), "closing changes nothing (R031)"
    assert Backup.objects.count() == 4


def test_the_settings_are_changed_with_the_keyboard_alone(
    browser_tab: Browser, scene: Scene
) -> None:
    page = browser_tab.page
    browser_tab.open(_sandbox(scene))
    page.get_by_role("button", name="Actions for backups of").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Backups Settings")
    expect(dialog.get_by_role("switch")).to_be_focused()
    page.keyboard.press("Space")
    expect(dialog.get_by_label("Time of day")).to_be_visible()
    dialog.get_by_label(MANUAL).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Settings saved.")).to_be_visible()
    policy = BackupPolicy.objects.get()
    assert (policy.is_scheduled, policy.keep_manual) == (True, 3)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_window_is_sound(browser_tab: Browser, scene: Scene, width: int, theme: str) -> None:
    page = browser_tab.page
    page.set_viewport_size({"width": width, "height": 900})
    page.context.add_cookies([{"name": "theme", "value": theme, "url": browser_tab.url}])
    for letter in "SM":
        BackupFactory.create_batch(8, resource=scene.resource, type=letter, name="n" * 90)
    dialog = _open(browser_tab, scene)
    browser_tab.assert_sound()
    dialog.get_by_role("switch").check()
    dialog.get_by_label(MANUAL).fill("2")
    expect(_preview(page).get_by_text("7 must be deleted")).to_be_visible()
    browser_tab.assert_sound()
    assert dialog.evaluate("it => it.scrollWidth <= it.clientWidth"), "it scrolls sideways"
    dialog.get_by_label(SCHEDULED).fill("0")
    expect(_preview(page).get_by_text("Enter a whole number from 1 to 100.")).to_be_visible()
    browser_tab.assert_sound()


def test_without_script_the_button_shows_what_changes(browser_tab: Browser, scene: Scene) -> None:
    browser = browser_tab.page.context.browser
    assert browser
    context = browser.new_context(
        java_script_enabled=False, storage_state=browser_tab.page.context.storage_state()
    )
    page = context.new_page()
    page.goto(f"{browser_tab.url}{_sandbox(scene)}")
    page.get_by_role("button", name="Actions for backups of").click()
    page.locator(".menu:popover-open").get_by_role("link", name="Settings").click()
    page.get_by_role("switch", name="Schedule daily backups").check()
    page.get_by_label("Time of day").fill("22:00")
    page.get_by_label("Time zone").select_option("Europe/London")
    page.get_by_role("button", name="Show what changes").click()
    assert "token" not in page.url
    expect(_preview(page).locator("time")).to_have_count(3)
    assert not BackupPolicy.objects.exists()
    expect(page.get_by_label("Time of day")).to_have_value("22:00")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Settings saved. Next backup")).to_be_visible()
    assert BackupPolicy.objects.get().backup_time == time(22)
    context.close()

"""The main job in a real browser: make a backup, watch it, restore it, delete it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from backups.models import Backup
from portal.models import Task, User
from tests.browser.conftest import Browser
from tests.scene import Scene


def _sandbox(scene: Scene) -> str:
    return f"/accounts/{scene.resource.account_id}/sandbox/"


def _create(page: Page, name: str) -> None:
    page.get_by_role("link", name="Create backup").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_role("button", name="Create").click()


def test_a_backup_is_made_watched_restored_and_deleted(
    browser_tab: Browser, scene: Scene, administrator: User
) -> None:
    page = browser_tab.page
    page.context.clear_cookies()
    browser_tab.sign_in(administrator)
    browser_tab.open(_sandbox(scene))
    _create(page, "Before the upgrade")
    assert not Task.objects.exists(), "nothing starts before the prompt is accepted (R021)"
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Power off")).click()
    expect(page.get_by_role("heading", name="Maintenance mode")).to_be_visible()
    backup = Backup.objects.get()
    scene.drive(backup.task)
    expect(page.get_by_role("heading", name="Maintenance mode")).to_have_count(0)
    expect(page.get_by_role("cell", name="Before the upgrade", exact=True)).to_be_visible()

    scene.write("changed")
    page.get_by_role("button", name="Actions for Before the upgrade").click()
    page.get_by_role("link", name="Restore").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    expect(page.get_by_role("heading", name="Maintenance mode")).to_be_visible()
    scene.drive(Task.objects.get(kind="restore_backup"))
    assert scene.content == "original"

    browser_tab.open(_sandbox(scene))
    page.get_by_role("button", name="Actions for Before the upgrade").click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("requested")).to_be_visible()
    scene.drive(Task.objects.get(kind="delete_backup"))
    backup.refresh_from_db()
    assert backup.status == Backup.Status.DELETED
    assert browser_tab.errors == []


def test_declining_the_prompt_starts_nothing(browser_tab: Browser, scene: Scene) -> None:
    page = browser_tab.page
    browser_tab.open(_sandbox(scene))
    _create(page, "Not now")
    page.get_by_role("dialog").get_by_role("link", name="Cancel").click()
    assert not Task.objects.exists()
    assert not Backup.objects.exists()
    assert scene.vm.power_state == "on"


def test_a_double_click_makes_one_backup(browser_tab: Browser, scene: Scene) -> None:
    page = browser_tab.page
    browser_tab.open(_sandbox(scene))
    _create(page, "Once")
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Power off")).dblclick()
    expect(page.get_by_role("heading", name="Maintenance mode")).to_be_visible()
    assert Backup.objects.count() == 1


def test_a_backup_is_made_with_the_keyboard_alone(browser_tab: Browser, scene: Scene) -> None:
    page = browser_tab.page
    browser_tab.open(_sandbox(scene))
    page.get_by_role("link", name="Create backup").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    button = page.get_by_role("dialog").get_by_role("button", name=re.compile("Power off"))
    expect(button).to_be_visible()
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Maintenance mode")).to_be_visible()
    assert Backup.objects.get().name == "By keyboard"

"""Publishing, pins and the master image in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from backups.models import Backup
from portal.models import Account, Task
from tests.browser.conftest import Browser
from tests.factories import BackupFactory
from tests.scene import Scene

ORDER = ["Clone the Sandbox", "Generalize the clone (sysprep)", "Back up the clone"]


def _sandbox(scene: Scene) -> str:
    return f"/accounts/{scene.resource.account_id}/sandbox/"


def _publish(page: Page) -> None:
    page.locator("#publish").click()
    dialog = page.get_by_role("dialog", name="Publish the Sandbox?")
    dialog.get_by_role("button", name="Publish").click()


def _kebab(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"Actions for {name}", exact=True).click()


@pytest.mark.parametrize("joined", [False, True])
def test_the_sandbox_is_published_and_its_task_shows_the_order(
    browser_tab: Browser, scene: Scene, joined: bool
) -> None:
    Account.objects.update(is_domain_joined=joined)
    page = browser_tab.page
    browser_tab.open(_sandbox(scene))
    _publish(page)
    expect(page.get_by_role("heading", name="Maintenance mode")).to_be_visible()
    expect(page.get_by_text("while the Sandbox is published")).to_be_visible()
    expect(page.get_by_role("button", name="Publish")).to_be_disabled()
    task = scene.drive(Task.objects.get())
    assert task.state == Task.State.DONE, task.error
    expect(page.get_by_role("heading", name="Running")).to_be_visible()
    expect(page.get_by_role("cell", name="Publish 1 of 2")).to_be_visible()
    browser_tab.assert_sound()

    browser_tab.open(f"/accounts/{task.account_id}/tasks/{task.pk}/")
    steps = page.get_by_role("main").inner_text()
    wanted = ORDER if joined else [ORDER[0], ORDER[2]]
    assert re.findall("|".join(map(re.escape, ORDER)), steps) == wanted
    assert ("sysprep" in steps) == joined


def test_a_double_click_publishes_once(browser_tab: Browser, scene: Scene) -> None:
    page = browser_tab.page
    browser_tab.open(_sandbox(scene))
    page.locator("#publish").click()
    page.get_by_role("dialog").get_by_role("button", name="Publish").dblclick()
    expect(page.get_by_role("heading", name="Maintenance mode")).to_be_visible()
    assert Task.objects.count() == 1


def test_the_keyboard_publishes_and_pins(browser_tab: Browser, scene: Scene) -> None:
    backup = BackupFactory.create(resource=scene.resource, name="Before codecs")
    page = browser_tab.page
    browser_tab.open(_sandbox(scene))
    page.get_by_role("button", name="Actions for Before codecs").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("“Before codecs” is pinned")).to_be_visible()
    backup.refresh_from_db()
    assert backup.is_pinned
    page.locator("#publish").focus()
    page.keyboard.press("Enter")
    submit = page.get_by_role("dialog").get_by_role("button", name="Publish")
    expect(page.get_by_role("dialog").get_by_role("link", name="Cancel")).to_be_focused()
    page.keyboard.press("Tab")
    expect(submit).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Maintenance mode")).to_be_visible()


def test_a_master_image_is_made_and_names_its_machine(browser_tab: Browser, scene: Scene) -> None:
    scene.have_backup("Golden")
    page = browser_tab.page
    browser_tab.open(_sandbox(scene))
    _kebab(page, "Golden")
    page.get_by_role("link", name="Use as BYO Master Image").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("an additional backup is made of it, which stays")).to_be_visible()
    browser_tab.assert_sound()
    dialog.get_by_role("button", name="Make the additional backup").click()
    expect(page.get_by_text("requested")).to_be_visible()
    scene.drive(Task.objects.get(kind="protect_master_image"))
    image = Backup.objects.get(original__name="Golden")
    assert image.is_ready, image.error
    said = f"Choose the virtual machine {image.machine_name} ({image.external_id})"
    expect(page.get_by_text(said)).to_be_visible()
    _kebab(page, image.name)
    page.get_by_role("button", name="Stop using as Master Image").click()
    expect(page.get_by_text("no longer serves as BYO Master Image")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 690, 390])
def test_every_kind_of_row_is_sound(
    browser_tab: Browser, scene: Scene, width: int, theme: str
) -> None:
    page, server = browser_tab.page, scene.resource
    page.set_viewport_size({"width": width, "height": 900})
    page.context.add_cookies([{"name": "theme", "value": theme, "url": browser_tab.url}])
    golden = scene.have_backup("Golden")
    BackupFactory.create(resource=server, name="Master image of Golden", original=golden)
    BackupFactory.create(resource=server, name="Kept for the audit", is_pinned=True)
    BackupFactory.create(resource=server, name="n" * 100, type="P", is_generalized=True)
    BackupFactory.create(
        resource=server, name="Last night", type="S", status="missed", task=None,
        external_id="", size_bytes=None, error="No worker was running for 6 hours.",
    )  # fmt: skip
    browser_tab.open(_sandbox(scene))
    expect(page.get_by_role("cell", name="Pinned")).to_be_visible()
    page.get_by_text("Missed: what happened").click()
    expect(page.get_by_text("No worker was running for 6 hours.")).to_be_visible()
    browser_tab.assert_sound()
    _kebab(page, "Golden")
    expect(page.locator(".menu:popover-open")).to_be_visible()
    browser_tab.assert_sound()
    page.keyboard.press("Escape")
    page.locator("#publish").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    browser_tab.assert_sound()
    assert dialog.evaluate("it => it.scrollWidth <= it.clientWidth"), "it scrolls sideways"


def test_without_script_all_of_it_works(browser_tab: Browser, scene: Scene) -> None:
    BackupFactory.create(resource=scene.resource, name="Before codecs")
    browser = browser_tab.page.context.browser
    assert browser
    context = browser.new_context(
        java_script_enabled=False, storage_state=browser_tab.page.context.storage_state()
    )
    page = context.new_page()
    page.goto(f"{browser_tab.url}{_sandbox(scene)}")
    _kebab(page, "Before codecs")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_text("“Before codecs” is pinned")).to_be_visible()
    _kebab(page, "Before codecs")
    page.get_by_role("button", name="Unpin").click()
    expect(page.get_by_text("is no longer pinned")).to_be_visible()
    page.locator("#publish").click()
    page.get_by_role("button", name="Publish", exact=True).and_(
        page.locator("[type=submit]")
    ).click()
    expect(page.get_by_text("Publishing requested")).to_be_visible()
    assert Backup.objects.filter(type="P").count() == 1
    context.close()

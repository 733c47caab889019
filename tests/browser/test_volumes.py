"""The Volumes tab in a real browser: card, menu and selection by mouse, keyboard and touch."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from portal.models import Resource, Task
from tests.browser.conftest import Browser
from tests.factories import BackupFactory
from tests.scene import Scene
from tests.volumes.backup_pages import DESKTOP, DRIVE, PROFILE, a_volume, failed, under_way

LONG = "PD-" + "long-name-" * 12


@pytest.fixture
def tab(browser_tab: Browser) -> Browser:
    """A tab without motion: half faded in, a thing has not the contrast it will have."""
    browser_tab.page.emulate_media(reduced_motion="reduce")
    return browser_tab


def _address(scene: Scene) -> str:
    return f"/accounts/{scene.resource.account_id}/volumes/"


def _link(page: Page, name: str) -> Locator:
    return page.get_by_role("link", name=name, exact=True)


def _card(page: Page, volume: Resource) -> Locator:
    return page.locator(f"#card-{volume.pk}")


def test_the_card_shows_by_mouse_and_goes_by_escape(tab: Browser, scene: Scene) -> None:
    volume, page = a_volume(scene.resource.account), tab.page
    tab.open(_address(scene))
    _link(page, "EP-sofia").hover()
    card = _card(page, volume)
    expect(card.get_by_text(volume.external_id)).to_be_visible()
    expect(card.get_by_text("Enterprise Profile")).to_be_visible()
    tab.assert_sound()
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    page.mouse.move(1, 1)
    _link(page, "EP-sofia").hover()
    expect(card).to_be_visible()
    card.hover()
    expect(card, "its text can be reached and marked").to_be_visible()
    page.mouse.move(1, 1)
    expect(card).to_be_hidden()


def test_the_card_shows_on_keyboard_focus(tab: Browser, scene: Scene) -> None:
    volume, page = a_volume(scene.resource.account), tab.page
    tab.open(_address(scene))
    page.get_by_role("checkbox", name=re.compile("EP-sofia")).focus()
    page.keyboard.press("Tab")
    expect(_link(page, "EP-sofia")).to_be_focused()
    card = _card(page, volume)
    expect(card.get_by_text(volume.external_id)).to_be_visible()
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(_link(page, "EP-sofia")).to_be_focused()


@pytest.fixture
def touched(browser_tab: Browser) -> Iterator[Page]:
    """The same person at a telephone."""
    browser = browser_tab.page.context.browser
    assert browser
    context = browser.new_context(
        has_touch=True,
        is_mobile=True,
        viewport={"width": 390, "height": 800},
        storage_state=browser_tab.page.context.storage_state(),
    )
    yield context.new_page()
    context.close()


def test_a_touch_leads_to_what_the_card_shows(
    touched: Page, browser_tab: Browser, scene: Scene
) -> None:
    volume = a_volume(scene.resource.account)
    touched.goto(f"{browser_tab.url}{_address(scene)}")
    _link(touched, "EP-sofia").tap()
    touched.wait_for_url(f"**/volumes/{volume.pk}/")
    expect(touched.get_by_text(volume.external_id).first).to_be_visible()
    expect(touched.get_by_text("Enterprise Profile").first).to_be_visible()


def test_the_menu_is_used_with_the_keyboard_alone(tab: Browser, scene: Scene) -> None:
    volume, page = a_volume(scene.resource.account), tab.page
    tab.open(_address(scene))
    kebab = page.get_by_role("button", name="Actions for EP-sofia")
    kebab.focus()
    page.keyboard.press("Enter")
    menu = page.locator(f"#menu-{volume.pk}")
    expect(menu.get_by_role("link", name="Backup")).to_be_visible()
    tab.assert_sound()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(kebab).to_be_focused()
    page.keyboard.press("Enter")
    expect(menu).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("link", name="Backup")).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    tab.assert_sound()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def _many(scene: Scene, count: int) -> None:
    for number in range(count):
        a_volume(scene.resource.account, DESKTOP, name=f"pd-{number:03}")


def test_all_that_match_are_chosen_over_pages(tab: Browser, scene: Scene) -> None:
    _many(scene, 60)
    a_volume(scene.resource.account, DRIVE, name="other")
    page = tab.page
    tab.open(f"{_address(scene)}?q=pd")
    page.get_by_role("checkbox", name="Select all on this page").check()
    expect(page.get_by_text("50 selected")).to_be_visible()
    tab.assert_sound()
    page.get_by_role("link", name="Backup all 60 that match").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("60").first).to_be_visible()
    tab.assert_sound()
    dialog.get_by_label("Name").fill("Before codecs")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_be_hidden()
    task = Task.objects.get(kind="backup_volumes")
    assert (task.args["count"], task.args["selection"]["q"]) == (60, "pd")


def test_those_chosen_on_a_page_are_backed_up(tab: Browser, scene: Scene) -> None:
    _many(scene, 4)
    page = tab.page
    tab.open(_address(scene))
    for name in ("pd-001", "pd-003"):
        page.get_by_role("checkbox", name=re.compile(name)).focus()
        page.keyboard.press("Space")
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.locator(".bulk").get_by_role("button", name="Backup").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Two")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_be_hidden()
    assert Task.objects.get(kind="backup_volumes").args["count"] == 2


def test_polling_asks_once_for_all_rows(tab: Browser, scene: Scene) -> None:
    for number in range(6):
        under_way(a_volume(scene.resource.account, DESKTOP, name=f"pd-{number:03}"))
    page, asked = tab.page, list[Request]()
    page.clock.install()
    tab.open(_address(scene))
    page.on("request", lambda request: asked.append(request))
    for _ in range(2):
        with page.expect_response("**/live/**") as answer:
            page.clock.run_for(2050)
        answer.value.finished()
    polls = [request.url for request in asked if request.resource_type == "xhr"]
    assert [url.count("part=volume%3A") for url in polls] == [6, 6]


def _all_there_is(scene: Scene) -> Resource:
    account = scene.resource.account
    a_volume(account, DESKTOP, name=LONG)
    failed(a_volume(account, DRIVE, name="PDR-ines", attached_to="frame-worker-17"))
    under_way(a_volume(account, DESKTOP, name="pd-007"))
    a_volume(account, PROFILE, name="EP-gone", is_missing=True)
    good = a_volume(account, PROFILE)
    BackupFactory(resource=good, name="مكتب الأشعة " * 6)
    return good


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_list_card_menu_and_page_are_sound(
    tab: Browser, scene: Scene, width: int, theme: str
) -> None:
    page, volume = tab.page, _all_there_is(scene)
    page.set_viewport_size({"width": width, "height": 900})
    page.context.add_cookies([{"name": "theme", "value": theme, "url": tab.url}])
    tab.open(_address(scene))
    tab.assert_sound()
    _link(page, "EP-sofia").hover()
    expect(_card(page, volume).get_by_text(volume.external_id)).to_be_visible()
    tab.assert_sound()
    page.keyboard.press("Escape")
    page.get_by_role("checkbox", name=re.compile("EP-sofia")).check()
    expect(page.get_by_text("1 selected")).to_be_visible()
    tab.assert_sound()
    page.get_by_role("button", name="Clear", exact=True).click()
    page.get_by_role("button", name="Actions for EP-sofia").click()
    expect(page.locator(f"#menu-{volume.pk}").get_by_text("Backup").first).to_be_visible()
    tab.assert_sound()
    for path in (f"{volume.pk}/", f"backup/?volume={volume.pk}", "?q=nothing-such"):
        tab.open(f"{_address(scene)}{path}")
        tab.assert_sound()


def test_without_script_a_volume_is_found_and_backed_up(browser_tab: Browser, scene: Scene) -> None:
    volume = a_volume(scene.resource.account)
    a_volume(scene.resource.account, DESKTOP, name="pd-001")
    browser = browser_tab.page.context.browser
    assert browser
    context = browser.new_context(
        java_script_enabled=False, storage_state=browser_tab.page.context.storage_state()
    )
    page = context.new_page()
    page.goto(f"{browser_tab.url}{_address(scene)}")
    page.get_by_label("Filter volumes").fill("sofia")
    page.get_by_role("button", name="Show").click()
    expect(_link(page, "pd-001")).to_have_count(0)
    expect(page.get_by_label("Select all on this page")).to_be_hidden()
    page.get_by_role("checkbox", name=re.compile("EP-sofia")).check()
    page.locator(".bulk").get_by_role("button", name="Backup").click()
    page.get_by_label("Name").fill("Plain")
    page.get_by_role("button", name="Create").click()
    assert Task.objects.filter(subject="Plain").exists()
    page.goto(f"{browser_tab.url}{_address(scene)}{volume.pk}/")
    expect(page.get_by_text(volume.external_id).first).to_be_visible()
    context.close()

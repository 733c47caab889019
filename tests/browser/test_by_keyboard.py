"""The main jobs without a mouse: from the top of each page, by Tab alone, past the skip link.

How disaster recovery is switched on by keyboard stands in test_recovery_settings.py, the card
that shows on focus in test_volumes.py.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from backups.models import Backup
from portal.models import Task, User
from tests.browser.conftest import PASSWORD, Browser
from tests.factories import NotificationFactory, TaskFactory
from tests.scene import Scene
from tests.volumes.backup_pages import a_volume

TABS_AT_MOST = 80
IN_DIALOG = "document.activeElement.closest('dialog:modal') !== null"


def _reach(page: Page, goal: Locator) -> None:
    """Press Tab until the focus is there."""
    for _ in range(TABS_AT_MOST):
        page.keyboard.press("Tab")
        if goal.count() and goal.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"{goal} cannot be reached by Tab")


def _open(tab: Browser, path: str) -> Page:
    """Open a page and skip what is on every page."""
    tab.open(path)
    tab.page.keyboard.press("Tab")
    expect(tab.page.get_by_role("link", name="Skip to content")).to_be_focused()
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**#main")
    return tab.page


def _assert_keeps_focus(page: Page) -> None:
    """Tab goes round within the dialog; between its end and its start is the browser's own bar."""
    inside = []
    for _ in range(12):
        page.keyboard.press("Tab")
        inside.append(page.evaluate(IN_DIALOG))
        assert inside[-1] or page.evaluate("document.activeElement === document.body")
    assert inside.count(True) > len(inside) / 2


def test_a_server_is_backed_up_and_restored(
    browser_tab: Browser, scene: Scene, administrator: User
) -> None:
    tab, page, keys = browser_tab, browser_tab.page, browser_tab.page.keyboard
    page.context.clear_cookies()
    tab.open("/")
    for goal, text in ((page.get_by_label("Email"), administrator.email),
                       (page.get_by_label("Password", exact=True), PASSWORD)):  # fmt: skip
        if not goal.evaluate("(element) => element === document.activeElement"):
            _reach(page, goal)
        keys.type(text)
    keys.press("Enter")
    page.wait_for_url(f"{tab.url}/accounts/**")

    _open(tab, f"/accounts/{scene.resource.account_id}/sandbox/")
    create, dialog = (
        page.get_by_role("link", name="Create backup").first,
        page.get_by_role("dialog"),
    )
    _reach(page, create)
    keys.press("Enter")
    expect(dialog.get_by_label("Name")).to_be_focused()
    _assert_keeps_focus(page)
    keys.press("Escape")
    expect(dialog).to_have_count(0)
    expect(create).to_be_focused()
    keys.press("Enter")
    expect(dialog.get_by_label("Name")).to_be_focused()
    keys.type("By keyboard")
    keys.press("Enter")
    accept = dialog.get_by_role("button", name=re.compile("Power off"))
    expect(accept).to_be_visible()
    _reach(page, accept)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Maintenance mode")).to_be_visible()
    scene.drive(Backup.objects.get().task)

    scene.write("changed")
    _open(tab, f"/accounts/{scene.resource.account_id}/sandbox/")
    kebab = page.get_by_role("button", name="Actions for By keyboard")
    _reach(page, kebab)
    keys.press("Enter")
    keys.press("ArrowDown")
    expect(page.get_by_role("link", name="Restore")).to_be_focused()
    keys.press("Enter")
    restore = dialog.get_by_role("button", name="Restore")
    expect(restore).to_be_visible()
    _assert_keeps_focus(page)
    keys.press("Escape")
    expect(dialog).to_have_count(0)
    expect(kebab).to_be_focused()
    keys.press("Enter")
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(restore).to_be_visible()
    _reach(page, restore)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Maintenance mode")).to_be_visible()
    scene.drive(Task.objects.get(kind="restore_backup"))
    assert scene.content == "original"


def test_volumes_are_ticked_and_backed_up_together(browser_tab: Browser, scene: Scene) -> None:
    account, keys = scene.resource.account, browser_tab.page.keyboard
    for name in ("EP-ann", "EP-ben", "EP-cid"):
        a_volume(account, name=name)
    page = _open(browser_tab, f"/accounts/{account.pk}/volumes/")
    for name in ("EP-ann", "EP-cid"):
        _reach(page, page.get_by_role("checkbox", name=re.compile(name)))
        keys.press("Space")
    expect(page.get_by_text("2 selected")).to_be_visible()
    _reach(page, page.locator(".bulk").get_by_role("button", name="Backup"))
    keys.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    keys.type("By keyboard")
    submit = dialog.get_by_role("button", name=re.compile("Backup|Create"))
    _reach(page, submit)
    keys.press("Enter")
    expect(dialog).to_have_count(0)
    assert Task.objects.get().subject == "By keyboard"


def test_tabs_of_settings_and_the_bell_are_reached(browser_tab: Browser, scene: Scene) -> None:
    tab, account = browser_tab, scene.resource.account
    NotificationFactory(account=account, title="The cluster is full")
    page = _open(tab, f"/accounts/{account.pk}/settings/")
    for name, heading in (("Access", "People"), ("Alerts", "Alert rules")):
        _reach(page, page.get_by_role("link", name=name, exact=True))
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    _reach(page, page.get_by_role("link", name=re.compile("Notification Center, 1 unread")))
    page.keyboard.press("Enter")
    expect(page.get_by_text("The cluster is full")).to_be_visible()


def test_a_report_is_narrowed_and_taken_along(browser_tab: Browser, scene: Scene) -> None:
    account, keys = scene.resource.account, browser_tab.page.keyboard
    TaskFactory(account=account)
    page = _open(browser_tab, f"/accounts/{account.pk}/audit/")
    _reach(page, page.get_by_label("All actions").or_(page.get_by_role("combobox").first))
    keys.press("ArrowDown")
    _reach(page, page.get_by_role("button", name="Show"))
    keys.press("Enter")
    page.wait_for_url(re.compile(r"\?"))
    download = page.get_by_role("link", name="Download CSV")
    _open_again(page)
    _reach(page, download)
    with page.expect_download() as waiting:
        keys.press("Enter")
    header = next(csv.reader(Path(waiting.value.path()).read_text().splitlines()))
    assert header[0] == "date_time"


def _open_again(page: Page) -> None:
    """From the top of the page as it is now narrowed."""
    page.goto(page.url.partition("#")[0])

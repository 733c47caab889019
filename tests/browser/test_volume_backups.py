"""The Backups tab of volumes in a real browser: by mouse, by keyboard, in both themes."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from backups import services
from backups.models import Backup, VolumePolicy
from portal.audit import SYSTEM
from portal.models import Resource, Task
from tests.browser.conftest import Browser
from tests.factories import BackupFactory
from tests.reporting.many import backup_of_many
from tests.scene import Scene
from tests.volumes.backup_pages import DESKTOP, DRIVE, a_volume, being_made, failed, missed

SCHEDULED = "Number of scheduled backups retained"
MANUAL = "Number of manual backups retained"


@pytest.fixture
def tab(browser_tab: Browser) -> Browser:
    """A tab that also minds what the console complains of."""

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("warning", "error"):
            browser_tab.errors.append(message.text)

    browser_tab.page.on("console", hear)
    # Half faded in, a dialog has not the contrast it will have.
    browser_tab.page.emulate_media(reduced_motion="reduce")
    return browser_tab


@pytest.fixture
def profile(scene: Scene) -> Resource:
    """A profile at the lab, detached."""
    external_id = scene.site.add_volume("EP-sofia")
    scene.site.write_volume(external_id, "monday")
    return a_volume(scene.resource.account, external_id=external_id)


def _made(scene: Scene, volume: Resource, name: str = "Before codecs") -> Backup:
    """A complete backup of it, really made."""

    backup = services.create_volume_backup(SYSTEM, volume, name=name)
    scene.drive(scene.allow_time(backup.task))
    backup.refresh_from_db()
    assert backup.is_ready, backup.error
    return backup


def _address(scene: Scene) -> str:
    return f"/accounts/{scene.resource.account_id}/volumes/backups/"


def _choose(page: Page, backup: Backup, entry: str) -> None:
    """Open the menu of a backup and click an entry of it."""
    page.get_by_role("button", name=f"Actions for {backup} of").click()
    menu = page.locator(f"#menu-{backup.pk}")
    expect(menu).to_be_visible()
    menu.locator("a, button").filter(has_text=re.compile(f"^{entry}$")).click()


def _dialog(page: Page) -> Locator:
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def test_a_backup_is_pinned_restored_and_deleted(
    tab: Browser, scene: Scene, profile: Resource
) -> None:
    page, backup = tab.page, _made(scene, profile)
    scene.site.write_volume(profile.external_id, "tuesday")
    tab.open(_address(scene))
    _choose(page, backup, "Pin")
    expect(page.get_by_text("is kept until it is unpinned")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Before codecs")).get_by_text("Pinned"))
    _choose(page, backup, "Unpin")
    expect(page.get_by_text("counts as any other again")).to_be_visible()

    _choose(page, backup, "Restore")
    dialog = _dialog(page)
    expect(dialog.get_by_text("Changes of the last")).to_be_visible()
    expect(dialog.get_by_role("link", name="Cancel")).to_be_focused()
    tab.assert_sound()
    dialog.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("Restore of “Before codecs” requested.")).to_be_visible()
    page.get_by_role("button", name="Actions for Before codecs").click()
    expect(page.locator(f"#menu-{backup.pk}").get_by_text("is under way")).to_have_count(2)
    scene.drive(scene.allow_time(Task.objects.get(kind="restore_volume_backup")))
    profile.refresh_from_db()
    assert scene.site.contents(profile.external_id)[0] == "monday"

    tab.open(_address(scene))
    _choose(page, backup, "Delete")
    expect(_dialog(page).get_by_text("The protection domain of EP-sofia stays")).to_be_visible()
    tab.assert_sound()
    _dialog(page).get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleting")).to_be_visible()
    scene.drive(scene.allow_time(Task.objects.get(kind="delete_volume_backup")))
    expect(page.get_by_text("Deleting")).to_have_count(0)
    backup.refresh_from_db()
    assert backup.status == Backup.Status.DELETED
    tab.assert_sound()


def test_a_backup_is_restored_with_the_keyboard_alone(
    tab: Browser, scene: Scene, profile: Resource
) -> None:
    page, backup = tab.page, BackupFactory(resource=profile, name="By keyboard")
    tab.open(_address(scene))
    page.get_by_role("button", name="Actions for By keyboard").focus()
    page.keyboard.press("Enter")
    menu = page.locator(f"#menu-{backup.pk}")
    expect(menu.get_by_role("link", name="Restore")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("link", name="Restore")).to_be_focused()
    page.keyboard.press("Enter")
    expect(_dialog(page).get_by_role("link", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert not Task.objects.filter(kind="restore_volume_backup").exists()
    _choose(page, backup, "Restore")
    _dialog(page).get_by_role("button", name="Restore").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Restore of “By keyboard” requested.")).to_be_visible()
    assert Task.objects.filter(kind="restore_volume_backup").count() == 1


def test_menus_open_after_the_list_was_narrowed(tab: Browser, scene: Scene) -> None:
    account, page = scene.resource.account, tab.page
    of_sofia = BackupFactory(resource=a_volume(account), name="Hers")
    BackupFactory(resource=a_volume(account, DRIVE, name="PDR-ines"), name="Other")
    tab.open(_address(scene))
    page.get_by_label("Filter backups").fill("sofia")
    expect(page.get_by_text("PDR-ines")).to_have_count(0)
    expect(page).to_have_url(re.compile("q=sofia"))
    _choose(page, of_sofia, "Delete")
    expect(_dialog(page).get_by_role("heading", name="Delete Hers?")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Failed 0").click()
    expect(page.get_by_text("No backup matches")).to_be_visible()
    page.get_by_role("link", name="Clear filters").click()
    expect(page.get_by_role("link", name="PDR-ines")).to_be_visible()
    tab.assert_sound()


def test_in_a_session_the_menu_says_who_and_where(
    tab: Browser, scene: Scene, profile: Resource
) -> None:
    Resource.objects.filter(pk=profile.pk).update(attached_to="frame-worker-17")
    backup = BackupFactory(resource=profile, name="Held")
    tab.open(_address(scene))
    tab.page.get_by_role("button", name="Actions for Held").click()
    menu = tab.page.locator(f"#menu-{backup.pk}")
    expect(menu.get_by_role("button", name=re.compile("Restore"))).to_be_disabled()
    expect(menu.get_by_text("sofia.lindqvist is in a session")).to_be_visible()
    tab.assert_sound()
    tab.open(f"{_address(scene)}{backup.pk}/restore/")
    expect(tab.page.get_by_text("This cannot be restored now")).to_be_visible()
    expect(tab.page.get_by_role("button", name="Restore")).to_have_count(0)
    tab.assert_sound()


def test_what_failed_is_backed_up_again_and_the_progress_goes_away_by_itself(
    tab: Browser, scene: Scene, profile: Resource
) -> None:
    page, backup = tab.page, failed(profile, name="Night")
    tab.open(_address(scene))
    expect(page.locator("[data-live]")).to_have_count(0)
    _choose(page, backup, "Backup")
    _dialog(page).get_by_label("Name").fill("By hand")
    _dialog(page).get_by_role("button", name="Create").click()
    expect(page.get_by_text("1 backup in progress")).to_be_visible()
    expect(page.get_by_text("Waiting")).to_be_visible()
    tab.assert_sound()
    scene.drive(scene.allow_time(Task.objects.get(subject="By hand")))
    expect(page.get_by_text("1 backup in progress")).to_have_count(0)
    row = page.get_by_role("row", name=re.compile("By hand"))
    expect(row.get_by_text("Complete")).to_be_visible()
    expect(page.locator("[data-live]")).to_have_count(0)
    tab.assert_sound()


def test_a_backup_of_many_counts_and_goes_away_by_itself(tab: Browser, scene: Scene) -> None:
    account, page = scene.resource.account, tab.page
    task = backup_of_many(account, "done done failed running queued")
    tab.open(_address(scene))
    indicator = page.locator("#volume-progress")
    expect(indicator.get_by_text("3 of 5 volumes · about 6 min left")).to_be_visible()
    expect(indicator.get_by_text("1 running · 1 waiting")).to_be_visible()
    tab.assert_sound()
    running = task.children.get(state="running")
    Task.objects.filter(pk=running.pk).update(state="done")
    expect(indicator.get_by_text("4 of 5 volumes")).to_be_visible()
    Task.objects.update(state="done")
    Backup.objects.filter(status="creating").update(status="ready")
    expect(indicator.get_by_text("Creating backups")).to_have_count(0)
    expect(page.locator("[data-live]")).to_have_count(0)
    tab.assert_sound()


def _settings(tab: Browser, scene: Scene) -> Locator:
    tab.open(_address(scene))
    tab.page.get_by_role("button", name="Backups section actions").click()
    tab.page.locator("#section-menu").get_by_role("link", name="Settings").click()
    dialog = tab.page.get_by_role("dialog", name="Backups Settings")
    expect(dialog).to_be_visible()
    return dialog


def test_settings_of_a_kind_are_chosen_foretold_and_saved(tab: Browser, scene: Scene) -> None:
    account, page = scene.resource.account, tab.page
    BackupFactory.create_batch(3, resource=a_volume(account), type="S")
    dialog = _settings(tab, scene)
    dialog.get_by_role("link", name="Enterprise Profiles").click()
    tabs = dialog.get_by_role("navigation", name="Type of volumes")
    expect(tabs.locator("[aria-current]")).to_have_text("Enterprise Profiles")
    switch = dialog.get_by_role("switch", name="Schedule daily backups")
    expect(dialog.get_by_label(SCHEDULED)).to_be_hidden()
    switch.check()
    dialog.get_by_label("Time of day").fill("22:00")
    dialog.get_by_label("Time zone").select_option("Europe/London")
    dialog.get_by_label(SCHEDULED).fill("2")
    preview = page.locator("#policy-preview")
    expect(preview.get_by_text("2 backups, the oldest of each volume first")).to_be_visible()
    expect(preview.locator("time")).to_have_count(3)
    tab.assert_sound()
    dialog.get_by_label(MANUAL).fill("0")
    expect(preview.get_by_text("Enter a whole number from 1 to 100.")).to_be_visible()
    dialog.get_by_label(MANUAL).fill("4")
    expect(preview.get_by_text("This cannot be saved")).to_have_count(0)
    dialog.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Settings of Enterprise Profiles saved. Next run:")).to_be_visible()
    expect(page.get_by_text("daily at 22:00 Europe/London")).to_be_visible()
    policy = VolumePolicy.objects.get()
    assert (policy.kind, policy.keep_scheduled, policy.keep_manual) == ("enterprise_profile", 2, 4)
    assert not Task.objects.active().exists(), "saving starts nothing (R076)"
    tab.assert_sound()


def test_settings_are_changed_with_the_keyboard_alone(tab: Browser, scene: Scene) -> None:
    page = tab.page
    tab.open(_address(scene))
    page.get_by_role("button", name="Backups section actions").focus()
    for key in ("Enter", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    dialog = page.get_by_role("dialog", name="Backups Settings")
    expect(dialog.get_by_role("switch")).to_be_focused()
    page.keyboard.press("Space")
    dialog.get_by_label(MANUAL).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Settings of Persistent Desktops saved.")).to_be_visible()
    policy = VolumePolicy.objects.get()
    assert (policy.kind, policy.is_scheduled, policy.keep_manual) == (DESKTOP, True, 3)


def _all_there_is(scene: Scene) -> Backup:
    """Backups in every state, with long names; the one returned is complete and held."""
    account, now = scene.resource.account, timezone.now()
    desktop = a_volume(account, DESKTOP, name="PD-" + "long-name-" * 12)
    drive = a_volume(account, DRIVE, name="PDR-ines", attached_to="frame-worker-17")
    held: Backup = BackupFactory(
        resource=drive, name="Held", is_pinned=True, is_crash_consistent=True,
        description="مكتب الأشعة " * 8,
    )  # fmt: skip
    for night in range(3):
        BackupFactory(resource=desktop, name="n" * 90, type="S", created_at=now - timedelta(night))
    failed(desktop, name="Scheduled 20 Nov 2025")
    missed(drive)
    being_made(desktop)
    backup_of_many(account, "done failed running queued")
    return held


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_tab_menu_and_dialogs_are_sound(tab: Browser, scene: Scene, width: int, theme: str) -> None:
    page, held = tab.page, _all_there_is(scene)
    page.set_viewport_size({"width": width, "height": 900})
    page.context.add_cookies([{"name": "theme", "value": theme, "url": tab.url}])
    tab.open(_address(scene))
    tab.assert_sound()
    page.get_by_role("button", name="Actions for Held").click()
    expect(page.locator(f"#menu-{held.pk}").get_by_text("is in a session")).to_be_visible()
    tab.assert_sound()
    for name in ("restore", "delete"):
        tab.open(f"{_address(scene)}{held.pk}/{name}/")
        tab.assert_sound()
    dialog = _settings(tab, scene)
    dialog.get_by_role("switch").check()
    dialog.get_by_label(SCHEDULED).fill("1")
    expect(page.locator("#policy-preview").get_by_text("3 backups, the oldest")).to_be_visible()
    tab.assert_sound()
    assert dialog.evaluate("it => it.scrollWidth <= it.clientWidth"), "it scrolls sideways"


def test_names_are_not_squeezed(tab: Browser, scene: Scene) -> None:
    account = scene.resource.account
    volume = a_volume(account, DESKTOP, user_name="michael.okafor@meridian.example")
    name = "All volumes 23 Nov 2026, 09:17"
    failed(volume, name=name)
    Backup.objects.update(error="Take the backup: it is already protected by a domain. " * 3)
    page = tab.page
    for width in (1440, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        tab.open(_address(scene))
        name = page.locator("td.lead").evaluate("it => it.clientWidth")
        assert name >= 175, f"the name has no room at {width}"
        kind = page.locator("td.name .sub").evaluate("it => it.clientHeight")
        assert kind <= 20, f"the kind takes more than a line at {width}"


def test_without_progress_there_is_no_gap_for_it(tab: Browser, scene: Scene) -> None:
    tab.open(_address(scene))
    above = tab.page.get_by_role("navigation", name="Volumes sections").bounding_box()
    panel = tab.page.get_by_role("region", name="Backups").bounding_box()
    assert above
    assert panel
    assert panel["y"] - (above["y"] + above["height"]) <= 24


def test_without_script_a_backup_is_restored_and_settings_saved(
    browser_tab: Browser, scene: Scene
) -> None:
    backup = BackupFactory(resource=a_volume(scene.resource.account), name="Plain")
    browser = browser_tab.page.context.browser
    assert browser
    context = browser.new_context(
        java_script_enabled=False, storage_state=browser_tab.page.context.storage_state()
    )
    page = context.new_page()
    page.goto(f"{browser_tab.url}{_address(scene)}{backup.pk}/restore/")
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("Restore of “Plain” requested.")).to_be_visible()
    page.get_by_role("button", name="Backups section actions").click()
    page.locator("#section-menu").get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Personal Drives").click()
    page.get_by_label(MANUAL).fill("6")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Settings of Personal Drives saved.")).to_be_visible()
    assert VolumePolicy.objects.get().kind == DRIVE
    context.close()

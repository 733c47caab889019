"""The Disaster recovery tab in a real browser: by keyboard alone, two tabs, themes, widths."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from disaster_recovery.models import RecoverySettings
from portal.lab import LabServer
from portal.models import Infrastructure, Role, RoleGrant, Task, User
from tests.browser.conftest import PASSWORD, Browser
from tests.recovery_scene import SECONDARY_CLUSTER, SERVER, RecoveryScene, build_recovery

TABS_AT_MOST = 60


@pytest.fixture(params=[Infrastructure.AHV, Infrastructure.AZURE])
def scene(
    request: pytest.FixtureRequest, transactional_db: None, own_lab: LabServer
) -> RecoveryScene:
    return build_recovery(own_lab, own_lab.lab, kind=request.param, what=SERVER, is_on=False)


@pytest.fixture
def tab(page: Page, live_server: LiveServer, scene: RecoveryScene) -> Browser:
    user = User.objects.create_user("org@example.test", PASSWORD, full_name="Olga Org")
    RoleGrant.objects.create(
        user=user, role=Role.ORGANIZATION_ADMINISTRATOR, organization=scene.account.organization
    )
    tab = Browser(page, live_server)
    tab.sign_in(user)
    return tab


def _address(scene: RecoveryScene) -> str:
    return f"/accounts/{scene.account.pk}/settings/disaster-recovery/"


def _tab_to(page: Page, id_: str) -> None:
    """Press Tab until the focus is there."""
    for _ in range(TABS_AT_MOST):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id || document.activeElement.innerText") == id_:
            return
    raise AssertionError(f"{id_} cannot be reached by Tab")


def test_it_is_switched_on_with_the_keyboard_alone(scene: RecoveryScene, tab: Browser) -> None:
    page = tab.page
    tab.open(_address(scene))
    expect(page.get_by_label("Backup cloud account")).to_be_hidden()
    _tab_to(page, "id_enable")
    page.keyboard.press("Space")
    expect(page.get_by_label("Backup cloud account")).to_be_visible()
    # R137: the second switch acts only with the first.
    expect(page.get_by_label("Stop server before post-session backup")).to_be_disabled()
    _tab_to(page, "id_cloud_account")
    page.keyboard.press("ArrowDown")
    if not scene.is_ahv:
        _tab_to(page, "id_site")
        page.keyboard.type("northeurope")
    _tab_to(page, "id_post_session_backup")
    page.keyboard.press("Space")
    expect(page.get_by_label("Stop server before post-session backup")).to_be_enabled()
    _tab_to(page, "Save")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Disaster recovery is being configured")).to_be_visible()
    tab.assert_sound()
    task = scene.drive(scene.scene.allow_time(Task.objects.get(kind="configure_recovery")))
    assert task.state == Task.State.DONE, task.error
    # Nobody presses anything: the page is read anew when the task has ended.
    where = SECONDARY_CLUSTER if scene.is_ahv else "northeurope"
    expect(page.get_by_text(f"Every backup is replicated to {where}.")).to_be_visible()
    expect(page.get_by_role("button", name="Check again")).to_be_visible()
    assert RecoverySettings.of(scene.account).post_session_backup


def test_the_connection_is_tested_before_anything_is_saved(
    scene: RecoveryScene, tab: Browser
) -> None:
    page = tab.page
    tab.open(_address(scene))
    button = page.get_by_role("button", name="Test Connection", exact=True)
    if not scene.is_ahv:
        expect(button).to_have_count(0)
        return
    page.get_by_label("Enable Frame DR").check()
    page.get_by_label("Backup cloud account").select_option(label=SECONDARY_CLUSTER)
    button.click()
    expect(page.get_by_text("Test Connection is running")).to_be_visible()
    scene.drive(scene.scene.allow_time(Task.objects.get(kind="test_remote_sites")))
    expect(page.get_by_text("Test Connection passed")).to_be_visible()
    tab.assert_sound()


@pytest.mark.parametrize(("theme", "width"), [("light", 390), ("dark", 1440)])
def test_what_was_measured_is_readable(
    scene: RecoveryScene, tab: Browser, theme: str, width: int
) -> None:
    page = tab.page
    scene.enable()
    page.set_viewport_size({"width": width, "height": 900})
    page.context.add_cookies([{"name": "theme", "value": theme, "url": tab.url}])
    tab.open(_address(scene))
    for summary in page.get_by_text("Details", exact=True).all():
        summary.click()
    head = "Source vStore" if scene.is_ahv else "Limit"
    expect(page.get_by_role("columnheader", name=head).first).to_be_visible()
    tab.assert_sound()
    for path in ("reconciliation/", "disable/"):
        tab.open(f"{_address(scene)}{path}")
        tab.assert_sound()


def test_a_second_tab_is_told_of_the_first(scene: RecoveryScene, tab: Browser) -> None:
    scene.enable()
    first, second = tab.page, tab.page.context.new_page()
    for page, hours in ((first, "12"), (second, "48")):
        page.goto(f"{tab.url}{_address(scene)}")
        page.get_by_label("Target recovery point").fill(hours)
    first.get_by_role("button", name="Save").dblclick()
    expect(first.get_by_text("Disaster recovery is being configured")).to_be_visible()
    (task,) = Task.objects.active()
    scene.drive(scene.scene.allow_time(task))
    second.get_by_role("button", name="Save").click()
    expect(second.get_by_text("Somebody has changed these settings")).to_be_visible()
    expect(second.get_by_label("Target recovery point")).to_have_value("48")
    assert RecoverySettings.of(scene.account).target_rpo_hours == 12
    second.get_by_role("button", name="Save").click()
    expect(second.get_by_text("Disaster recovery is being configured")).to_be_visible()

"""Every page of an account: strict policy, accessible, no sideways scroll, in both themes."""

from __future__ import annotations

import itertools

import pytest

from backups.models import Backup
from portal.models import Account, Resource, Task
from tests.browser.conftest import Browser
from tests.scene import Scene

PAGES = ["", "sandbox/", "utility-servers/", "tasks/", "notifications/", "audit/", "settings/",
         "settings/access/", "disaster-recovery/"]  # fmt: skip
WIDTHS = [1440, 390]
LONG = "مكتب الأشعة في المستشفى الجامعي " * 4


@pytest.fixture
def with_history(scene: Scene) -> Scene:
    """One backup that went well, one that failed, one under way."""
    good = scene.backup("A good one")
    scene.drive(good.task)
    machine = scene.vms.pop(scene.resource.external_id)
    failed = scene.backup("One that failed")
    scene.drive(failed.task)
    scene.vms[scene.resource.external_id] = machine
    scene.backup("One under way with a rather long name that has to wrap somewhere")
    return scene


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_sound(
    browser_tab: Browser, with_history: Scene, width: int, theme: str
) -> None:
    tab = browser_tab
    tab.page.set_viewport_size({"width": width, "height": 900})
    tab.page.context.add_cookies([{"name": "theme", "value": theme, "url": tab.url}])
    for path in PAGES:
        tab.open(f"/accounts/{with_history.resource.account_id}/{path}")
        tab.assert_sound()


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_names_in_another_script_fit_in_either_direction(
    browser_tab: Browser, with_history: Scene, direction: str
) -> None:
    resource, tab = with_history.resource, browser_tab
    Account.objects.filter(pk=resource.account_id).update(name=LONG[:100])
    Resource.objects.update(name=LONG[:100])
    Backup.objects.update(name=LONG[:100], description="x" * 300)
    Task.objects.update(subject=LONG[:100], error="y" * 300)
    turn = (
        f"addEventListener('DOMContentLoaded', () => document.documentElement.dir = '{direction}')"
    )
    tab.page.add_init_script(turn)
    for path, width in itertools.product(PAGES, (1280, 640, 390)):  # 640 is 1280 at 200 %
        tab.page.set_viewport_size({"width": width, "height": 900})
        tab.open(f"/accounts/{resource.account_id}/{path}")
        tab.assert_no_sideways_scroll()


def test_the_pages_read_without_script(browser_tab: Browser, with_history: Scene) -> None:
    """JavaScript off: the same addresses give the same content, forms included."""
    tab = browser_tab
    browser = tab.page.context.browser
    assert browser
    context = browser.new_context(
        java_script_enabled=False, storage_state=tab.page.context.storage_state()
    )
    page = context.new_page()
    account = with_history.resource.account_id
    for path in PAGES:
        answer = page.goto(f"{tab.url}/accounts/{account}/{path}")
        assert answer
        assert answer.status == 200
    page.goto(f"{tab.url}/accounts/{account}/resources/{with_history.resource.pk}/backups/create/")
    assert page.get_by_role("heading", name="Create backup").is_visible()
    context.close()

"""The Disaster recovery page and the overview's calendar in a real browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from backups.models import Backup, Replica, note_replication
from portal.models import Resource
from tests.browser.conftest import Browser
from tests.factories import BackupFactory, ResourceFactory, TaskFactory
from tests.scene import Scene

THEMES = ("light", "dark")
WIDTHS = (1440, 390)


def _replica(backup: Backup, status: str = Replica.Status.DONE) -> Replica:
    account = backup.account
    assert account.cloud_account
    is_over = status != Replica.Status.IN_PROGRESS
    replica = Replica.objects.create(
        backup=backup,
        account=account,
        cloud_account=account.cloud_account,
        site="ahv-dub-02",
        task=TaskFactory(
            account=account,
            resource=backup.resource,
            kind="replicate_backup",
            state="done" if is_over else "running",
        ),
        status=status,
        sent_bytes=2**33,
        started_at=backup.created_at,
        completed_at=backup.created_at + timedelta(minutes=5) if is_over else None,
    )
    note_replication(backup, status)
    return replica


@pytest.fixture
def resource(scene: Scene) -> Resource:
    """Its account replicates; thirty days of backups, most with a replica, some failed."""
    account = scene.resource.account
    account.dr_enabled, account.dr_cloud_account = True, account.cloud_account
    account.dr_site = "ahv-dub-02"
    account.save()
    server = ResourceFactory(account=account, name="util-01")
    now = timezone.now()
    for day in range(29, 0, -1):
        at = now - timedelta(days=day)
        for which in (scene.resource, server):
            is_bad = which == server and not day % 7
            backup = BackupFactory(
                resource=which,
                created_at=at,
                completed_at=None if is_bad else at,
                status="failed" if is_bad else "ready",
            )
            if not is_bad and which != server:
                _replica(backup)
    return server


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_both_pages_are_sound(
    browser_tab: Browser, resource: Resource, theme: str, width: int
) -> None:
    page = browser_tab.page
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    browser_tab.open(f"/accounts/{resource.account_id}/disaster-recovery/")
    expect(page.get_by_role("heading", name="At risk")).to_be_visible()
    expect(page.get_by_role("img", name="Backups and replications")).to_be_visible()
    page.get_by_text("Each day as a table").click()
    expect(page.get_by_role("columnheader", name="Made")).to_be_visible()
    browser_tab.assert_sound()
    browser_tab.open(f"/accounts/{resource.account_id}/")
    expect(page.get_by_role("heading", name="Backups, last 30 days")).to_be_visible()
    expect(page.get_by_role("link", name="1 of 1 failed").first).to_be_visible()
    browser_tab.assert_sound()


def test_what_has_no_replica_is_replicated_with_the_keyboard(
    browser_tab: Browser, resource: Resource
) -> None:
    page = browser_tab.page
    browser_tab.open(f"/accounts/{resource.account_id}/disaster-recovery/")
    row = page.get_by_role("row", name="util-01")
    row.get_by_role("link", name="Replicate").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Replicate")).to_be_visible()
    browser_tab.assert_sound()


def test_the_page_follows_a_replication(browser_tab: Browser, resource: Resource) -> None:
    page = browser_tab.page
    replica = _replica(BackupFactory(resource=resource), Replica.Status.IN_PROGRESS)
    browser_tab.open(f"/accounts/{resource.account_id}/disaster-recovery/")
    expect(page.get_by_text("1 replication is under way.")).to_be_visible()
    page.get_by_text("Each day as a table").click()
    page.get_by_role("link", name=resource.name, exact=True).focus()
    replica.completed_at, replica.status = timezone.now(), Replica.Status.DONE
    replica.save()
    note_replication(replica.backup, Replica.Status.DONE)
    # Drawn anew five seconds after it was drawn last, at the earliest.
    expect(page.get_by_text("1 replication is under way.")).to_have_count(0, timeout=20_000)
    # Who reads or is on the way through it by keyboard is where they were.
    expect(page.get_by_role("columnheader", name="Made")).to_be_visible()
    expect(page.get_by_role("link", name=resource.name, exact=True)).to_be_focused()
    browser_tab.assert_sound()

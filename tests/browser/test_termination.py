"""Staff terminate an account in a real browser, and change how long records are kept."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import expect

from portal.engine.runner import Runner
from portal.models import Account, AuditEntry, User
from reporting.models import DataAvailability
from tests.browser.conftest import Browser
from tests.scene import Scene


def test_staff_terminate_an_account(
    browser_tab: Browser, scene: Scene, administrator: User
) -> None:
    User.objects.filter(pk=administrator.pk).update(is_staff=True, is_superuser=True)
    account, page = scene.resource.account, browser_tab.page
    browser_tab.open(f"/admin/portal/account/{account.pk}/change/")
    page.get_by_role("link", name="Terminate account").click()
    expect(page.get_by_text("1 machine or volume")).to_be_visible()
    page.get_by_label("Name of the account").fill("another")
    page.get_by_role("button", name="Terminate account").click()
    expect(page.get_by_text("This is not the name of the account.")).to_be_visible()
    page.get_by_label("Name of the account").fill(account.name)
    page.get_by_role("button", name="Terminate account").click()
    expect(page.get_by_text(f"Termination of {account} requested.")).to_be_visible()
    Runner(clock=scene.clock, threads=2).run(seconds=600)
    page.reload()
    expect(page.get_by_text("It was terminated on")).to_be_visible()
    assert Account.objects.get(pk=account.pk).terminated_at
    browser_tab.open("/admin/portal/account/")
    expect(page.get_by_text("Terminated on")).to_be_visible()


def test_staff_see_what_a_shorter_period_removes(browser_tab: Browser, administrator: User) -> None:
    User.objects.filter(pk=administrator.pk).update(is_staff=True, is_superuser=True)
    if not DataAvailability.objects.exists():
        DataAvailability.objects.create(data_type="audit_trail", position=2, months=24)
    AuditEntry.objects.create(at=timezone.now() - timedelta(days=300), action="x")
    page = browser_tab.page
    browser_tab.open("/admin/reporting/dataavailability/audit_trail/change/")
    page.get_by_label("Period in months").fill("6")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("would remove 1 row of Audit Trail")).to_be_visible()
    page.get_by_label("Remove what the change no longer covers").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert DataAvailability.objects.get(pk="audit_trail").months == 6

"""Reports, trails and charts in a real browser; the printed report opened from a disk."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.models import Account
from tests.browser.conftest import Browser
from tests.factories import AuditEntryFactory
from tests.reporting.history import fill
from tests.scene import Scene

PAGES = (
    "reports/", "session-trail/", "session-logs/", "audit/", "analytics/sessions/",
    "analytics/usage/?frequency=day", "analytics/disk_usage/", "analytics/elasticity/",
)  # fmt: skip


@pytest.fixture
def account(scene: Scene) -> Account:
    account = scene.resource.account
    fill(account, timezone.now())
    AuditEntryFactory(account=account, target_label="=1+1")
    return account


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_is_sound(
    browser_tab: Browser, account: Account, theme: str, width: int
) -> None:
    page = browser_tab.page
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    for path in PAGES:
        browser_tab.open(f"/accounts/{account.pk}/{path}")
        browser_tab.assert_sound()


def test_a_chart_is_narrowed_and_its_file_follows(browser_tab: Browser, account: Account) -> None:
    page = browser_tab.page
    browser_tab.open(f"/accounts/{account.pk}/analytics/sessions/")
    # On the first of a month twelve months touch thirteen.
    expect(page.get_by_role("img", name=re.compile("Sessions of 1[23] periods"))).to_be_visible()
    page.get_by_role("combobox", name="System").select_option("pool")
    expect(page.get_by_role("columnheader", name="Persistent Desktop")).to_have_count(0)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download CSV").click()
    text = Path(waiting.value.path()).read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["system"] for row in rows} == {"pool"}
    assert waiting.value.suggested_filename.endswith(".csv")
    browser_tab.assert_sound()


def test_the_log_of_a_session_is_read(browser_tab: Browser, account: Account) -> None:
    page = browser_tab.page
    browser_tab.open(f"/accounts/{account.pk}/session-logs/")
    page.get_by_role("link", name="View the log of session session-0004").click()
    expect(page.get_by_label("Log", exact=True)).to_contain_text("started event=event-4")
    browser_tab.assert_sound()


def test_a_report_is_found_and_downloaded_by_keyboard(
    browser_tab: Browser, account: Account, tmp_path: Path
) -> None:
    page = browser_tab.page
    browser_tab.open(f"/accounts/{account.pk}/")
    page.get_by_role("link", name="Reports").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Data availability")).to_be_visible()
    page.get_by_role("link", name="12 months").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("is no longer available").first).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download Report").focus()
        page.keyboard.press("Enter")
    file = tmp_path / "report.html"
    waiting.value.save_as(file)
    report = page.context.new_page()
    report.goto(file.as_uri())
    expect(report.get_by_role("heading", name="Session report")).to_be_visible()
    expect(report.get_by_role("img", name="Peak concurrency")).to_be_visible()
    assert report.locator("rect[data-s='solid']").count() > 20
    assert len(report.pdf(format="A4", prefer_css_page_size=True)) > 10_000

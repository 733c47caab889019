"""The one poll of a page in a real browser: what it asks, and what a page says without answers."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Browser
from tests.scene import Scene

POLLS = "**/live/**"


@pytest.fixture
def busy_page(browser_tab: Browser, scene: Scene) -> Page:
    """The Sandbox's page while a backup is under way; its clock moves when a test says so."""
    scene.backup("While somebody looks on")
    browser_tab.page.clock.install()
    browser_tab.open(f"/accounts/{scene.resource.account_id}/sandbox/")
    return browser_tab.page


def _poll(page: Page) -> list[str]:
    """Let the time of one poll pass; return the kinds of part it asked for."""
    with page.expect_response(POLLS) as answer:
        page.clock.run_for(2050)
    answer.value.finished()
    parts = parse_qs(urlsplit(answer.value.url).query).get("part", [])
    return sorted(part.partition(":")[0] for part in parts)


def test_everything_on_a_page_is_asked_for_at_once(busy_page: Page) -> None:
    requests: list[str] = []
    busy_page.on("request", lambda request: requests.append(request.resource_type))
    assert _poll(busy_page) == ["progress", "progress", "system"]
    assert _poll(busy_page) == ["progress", "progress", "system"]
    assert requests.count("xhr") == 2


def test_a_page_asks_no_more_when_all_has_ended(busy_page: Page, scene: Scene) -> None:
    task = scene.resource.active_task()
    scene.drive(task)
    _poll(busy_page)
    expect(busy_page.get_by_role("heading", name="Maintenance mode")).to_have_count(0)
    expect(busy_page.locator("#poll")).not_to_have_attribute("data-hx-trigger", re.compile("."))
    expect(busy_page.locator("#task-chip")).to_contain_text("none in progress")


def test_what_is_closed_is_not_asked_for(browser_tab: Browser, scene: Scene) -> None:
    page = browser_tab.page
    scene.backup("While somebody looks on")
    page.clock.install()
    browser_tab.open(f"/accounts/{scene.resource.account_id}/tasks/")
    assert _poll(page) == ["row"]
    detail = page.get_by_role("button", name=re.compile("Detail of"))
    detail.click()
    expect(page.get_by_role("heading", name="Steps")).to_be_visible()
    assert _poll(page) == ["row", "task"]
    detail.click()
    assert _poll(page) == ["row"]
    page.locator("#task-chip").click()
    expect(page.locator("#tray .feed")).to_be_visible()
    assert _poll(page) == ["row", "tray"]
    page.keyboard.press("Escape")
    expect(page.locator("#tray")).to_be_hidden()
    assert _poll(page) == ["row"]
    browser_tab.assert_sound()


@pytest.mark.parametrize("how", ["no answer", "server error"])
def test_a_page_that_gets_no_answers_says_since_when(busy_page: Page, how: str) -> None:
    if how == "no answer":
        busy_page.route(POLLS, lambda route: route.abort())
    else:
        busy_page.route(POLLS, lambda route: route.fulfill(status=502, body="<h1>Bad</h1>"))
    note = busy_page.get_by_text(re.compile(r"^Not updated since \d\d:\d\d$"))
    for _ in range(3):
        expect(note).to_have_count(0)
        with busy_page.expect_event("requestfinished" if how != "no answer" else "requestfailed"):
            busy_page.clock.run_for(2050)
    expect(note).to_have_count(2)  # in the note above, and in the row
    busy_page.unroute(POLLS)
    _poll(busy_page)
    expect(note).to_have_count(0)


def test_a_signed_out_page_says_so_where_it_stands(busy_page: Page) -> None:
    busy_page.context.clear_cookies(name="sessionid")
    _poll(busy_page)
    link = busy_page.get_by_role("status").get_by_role("link", name="Sign in")
    expect(link).to_be_visible()
    expect(busy_page.get_by_text("Signed out; sign in again")).to_be_visible()
    expect(busy_page.get_by_label("Password")).to_have_count(0)
    expect(busy_page.get_by_role("heading", name="Maintenance mode")).to_be_visible()
    expect(busy_page.locator("#poll")).to_have_count(0)
    link.click()
    busy_page.wait_for_url(re.compile(r"/sign-in/login/\?next=/accounts/.*/sandbox/"))

"""Every page, dialog and menu of the product, found by its address: accessible, and no wider than
the screen.

The everyday run takes each page in one of its looks, and not all pages; STANDBY_MATRIX=all takes
every page in every look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from portal.models import User
from tests.addresses import ours
from tests.browser.conftest import Browser
from tests.filled import fill
from tests.matrix.strides import is_whole
from tests.page_cost import is_page
from tests.people import World
from tests.things import Things, make_things

LOOKS = (("light", 1440), ("dark", 390), ("dark", 1440), ("light", 390))
# Everyday, each look has its own pages: one of so many.
STRIDE = 12
# Also what axe leaves out by itself: 24 by 24 pixels for a finger.
OPTIONS = {"rules": {"target-size": {"enabled": True}}}
# Swagger UI, of others' making.
NOT_OURS = {"reporting:api_docs"}
DIALOG = "dialog:modal"


@pytest.fixture
def things(transactional_db: None, world: World) -> Things:
    """One of everything, and a few more."""
    fill(world, range(3))
    return make_things(world)


@pytest.fixture
def tab(page: Page, live_server: LiveServer, things: Things, customer_admin: User) -> Browser:
    """The Customer Administrator's."""
    page.emulate_media(reduced_motion="reduce")
    found = Browser(page, live_server)
    found.be(customer_admin)
    return found


@pytest.fixture
def pages(things: Things, customer_admin: User) -> dict[str, str]:
    """The path of each whole page, by its name."""
    client = Client()
    client.force_login(customer_admin)
    paths = {each.name: things.path(each) for each in ours() if each.name not in NOT_OURS}
    answers = {name: client.get(path) for name, path in paths.items()}
    return {
        name: paths[name]
        for name, answer in answers.items()
        if is_page(answer) and answer.content.lstrip().startswith(b"<!DOCTYPE html>")
    }


def _look(tab: Browser, theme: str, width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 900})
    tab.page.context.add_cookies([{"name": "theme", "value": theme, "url": tab.url}])


def _faults(tab: Browser, what: str) -> list[str]:
    """What axe finds, the policy has blocked and scripts have stumbled over."""
    results = Axe().run(tab.page, options=OPTIONS)
    found = [results.generate_report()] if results.violations_count else []
    found += tab.page.evaluate("window.blocked") + tab.errors
    tab.errors.clear()
    return [f"{what}: {fault}" for fault in found]


def _share(pages: dict[str, str], number: int) -> Iterator[tuple[str, str]]:
    for place, (name, path) in enumerate(sorted(pages.items())):
        if is_whole() or place % STRIDE == number:
            yield name, path


@pytest.mark.parametrize("number", range(len(LOOKS)))
def test_every_page_and_dialog_is_accessible(
    tab: Browser, pages: dict[str, str], number: int
) -> None:
    _look(tab, *LOOKS[number])
    faults = []
    for name, path in _share(pages, number):
        tab.open(path)
        faults += _faults(tab, name)
        # A dialog that is a page of its own is one above another page as well.
        if tab.page.locator("dialog[data-page]:not(:modal)").count():
            tab.page.goto(f"{tab.url}/accounts/")
            _open(tab.page, path)
            faults += _faults(tab, f"{name} as a dialog")
    assert not faults, "\n".join(faults)


def _open(page: Page, path: str) -> None:
    """Open a dialog as its button would."""
    page.evaluate(f"htmx.ajax('GET', '{path}', {{target: '#dialog', swap: 'outerHTML'}})")
    expect(page.locator(DIALOG)).to_be_visible()


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_every_menu_and_card_is_accessible(
    tab: Browser, pages: dict[str, str], theme: str, width: int
) -> None:
    wanted = ["backups:sandbox_detail", "volumes:volume_list", "volumes:volume_backup_list"]
    _look(tab, theme, width)
    faults = []
    for name in wanted if is_whole() or theme == "light" else wanted[1:2]:
        tab.open(pages[name])
        for button in _menu_buttons(tab.page):
            opener = tab.page.locator(button).first
            opener.click()
            target = opener.get_attribute("popovertarget")
            expect(tab.page.locator(f"#{target}:popover-open")).to_be_visible()
            faults += _faults(tab, f"{button} of {name}")
            tab.page.keyboard.press("Escape")
    assert not faults, "\n".join(faults)


def _menu_buttons(page: Page) -> list[str]:
    """A selector for the first visible button of each kind of menu."""
    found: dict[str, str] = {}
    for button in page.locator("button[popovertarget]").all():
        target = button.get_attribute("popovertarget") or ""
        if button.is_visible():
            found.setdefault(re.sub(r"[0-9a-f-]{36}$", "", target), target)
    return [f"[popovertarget='{target}']" for target in found.values()]


# 720 is 1440 at 200 %, 320 is 1280 at 400 % (WCAG 1.4.10).
@pytest.mark.parametrize("width", [720, 320])
def test_no_page_scrolls_sideways(tab: Browser, pages: dict[str, str], width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 900})
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    scrolling = []
    for place, (name, path) in enumerate(sorted(pages.items())):
        if is_whole() or place % 6 == width % 6:
            tab.open(path)
            if tab.page.evaluate(wide):
                scrolling.append(name)
    assert not scrolling


def test_every_page_has_a_title_of_its_own(pages: dict[str, str], customer_admin: User) -> None:
    """It shares it with the dialogs that open on it; each has one heading of the first level."""
    client, seen = Client(), dict[str, str]()
    client.force_login(customer_admin)
    for name, path in pages.items():
        text = client.get(path).text
        title = re.findall(r"<title>(.*?)</title>", text, re.DOTALL)[0].strip()
        assert len(re.findall(r"<h1\b", text)) == 1, name
        assert not title.startswith("·"), name
        if "<dialog" not in text or "data-autoopen" not in text:
            assert seen.setdefault(title, name) == name, f"{name} and {seen[title]}: {title}"


# What can be focused and is shown has an outline, whatever the colours.
FOCUSED = """() => {
  const element = document.activeElement;
  if (element === document.body) return "";
  const around = element.closest("label, .select, .search, .seg, form") || element;
  const seen = (one) => {
    const style = getComputedStyle(one);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  };
  const is_seen = [element, around, ...around.querySelectorAll("*")].some(seen);
  return is_seen ? "" : element.outerHTML.slice(0, 160);
}"""


@pytest.mark.parametrize("colors", ["none", "active"])
def test_focus_is_seen_wherever_it_is(tab: Browser, pages: dict[str, str], colors: str) -> None:
    tab.page.emulate_media(forced_colors=colors, reduced_motion="reduce")  # type: ignore[arg-type]
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    for name in ("volumes:volume_list", "reporting:report_list", "backups:backup_policy_edit"):
        tab.open(pages[name])
        for _ in range(45):
            tab.page.keyboard.press("Tab")
            assert tab.page.evaluate(FOCUSED) == "", name


# What turns while something is under way does so in steps; nothing slides, grows or fades.
MOVING = """() => document.getAnimations()
  .filter((one) => one.effect.getKeyframes()[0].easing !== "steps(5)")
  .map((one) => one.animationName || one.transitionProperty)"""


def test_nothing_moves_for_who_wants_no_motion(tab: Browser, pages: dict[str, str]) -> None:
    for name in ("backups:sandbox_detail", "reporting:overview"):
        tab.open(pages[name])
        moving = tab.page.evaluate(MOVING)
        assert moving == [], name

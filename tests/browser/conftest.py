"""A person in a real browser, before a real lab. The worker runs when a test lets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from portal.lab import Lab, LabServer
from portal.models import Role, RoleGrant, User
from tests.scene import Scene, build

PASSWORD = "a-long-enough-password"

# Fires for everything the policy blocks, whether or not the console says so.
WATCH_POLICY = """
window.blocked = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.blocked.push(event.violatedDirective + " " + event.blockedURI));
"""


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[LabServer]:
    """A lab that only this test uses."""
    with LabServer(Lab.empty(), directory=tmp_path) as server:
        yield server


@pytest.fixture
def scene(transactional_db: None, own_lab: LabServer) -> Scene:
    """A running Sandbox at a cluster of the lab."""
    return build(own_lab, own_lab.lab)


@pytest.fixture
def administrator(scene: Scene) -> User:
    """The Account Administrator of the scene's account."""
    user = User.objects.create_user("ada@example.test", PASSWORD, full_name="Ada Admin")
    account = scene.resource.account
    RoleGrant.objects.create(user=user, role=Role.ACCOUNT_ADMINISTRATOR, account=account)
    return user


_SETTLED = """() => Promise.allSettled(
  document.getAnimations()
    .filter((each) => each.effect.getComputedTiming().iterations !== Infinity)
    .map((each) => each.finished)
)"""


class Browser:
    """A signed-in tab, with what a test asks of any page."""

    def __init__(self, page: Page, server: LiveServer) -> None:
        self.page = page
        self.url = server.url
        self.errors: list[str] = []
        page.add_init_script(WATCH_POLICY)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(10_000)

    def be(self, user: User) -> None:
        """Be signed in already, by a session of this person's."""
        client = Client()
        client.force_login(user)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": self.url}
        self.page.context.add_cookies([cookie])  # type: ignore[list-item]

    def sign_in(self, user: User) -> None:
        """Sign in by the form."""
        self.page.goto(f"{self.url}/")
        self.page.get_by_label("Email").fill(user.email)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.wait_for_url(f"{self.url}/accounts/**")

    def open(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}")

    def assert_sound(self) -> None:
        """Nothing blocked by the policy, no script error, nothing axe finds, no sideways scroll."""
        assert self.page.evaluate("window.blocked") == []
        assert self.errors == []
        # What fades in has less contrast until it is there.
        self.page.evaluate(_SETTLED)
        results = Axe().run(self.page)
        assert results.violations_count == 0, results.generate_report()
        self.assert_no_sideways_scroll()

    def assert_no_sideways_scroll(self) -> None:
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not self.page.evaluate(wide), "the page scrolls sideways"


@pytest.fixture
def browser_tab(page: Page, live_server: LiveServer, administrator: User) -> Browser:
    """The administrator's; signed in, and not at any page yet."""
    tab = Browser(page, live_server)
    tab.be(administrator)
    return tab

"""A person's own sign-in in a real browser, with an authenticator of the browser's own."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer

from portal.models import Customer, GroupMapping, Role, RoleGrant, User
from tests.browser.conftest import PASSWORD, Browser
from tests.people import World, make_world

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
WIDTHS = (1440, 390)
# A folder for pictures.
SHOTS = os.environ.get("STANDBY_SHOTS", "")


@pytest.fixture
def small(transactional_db: None) -> World:
    cache.clear()
    return make_world("Meridian")


@pytest.fixture
def cleo(small: World) -> User:
    user = User.objects.create_user("cleo@example.test", PASSWORD, full_name="Cleo Adams")
    RoleGrant.objects.create(user=user, role=Role.CUSTOMER_ADMINISTRATOR, customer=small.customer)
    return user


@pytest.fixture
def tab(page: Page, live_server: LiveServer, cleo: User) -> Browser:
    browser = Browser(page, live_server)
    # Passkeys belong to names, not to numbers.
    browser.url = live_server.url.replace("127.0.0.1", "localhost")
    page.on("console", lambda said: _keep(browser, said))
    return browser


def _keep(tab: Browser, said: ConsoleMessage) -> None:
    # A browser says of every refused form that it was refused.
    if said.type == "error" and "status of 422" not in said.text:
        tab.errors.append(said.text)


@pytest.fixture
def authenticator(page: Page) -> Iterator[None]:
    """A fingerprint reader that always knows its person."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield
    session.detach()


def shoot(tab: Browser, name: str) -> None:
    """Keep a picture where somebody asks for them."""
    if SHOTS:
        tab.page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True, caret="initial")


def sound(tab: Browser, name: str) -> None:
    """Sound in both themes, wide and narrow; each with each where pictures are kept."""
    looks = list(itertools.product(THEMES, WIDTHS))
    for theme, width in looks if SHOTS else looks[::3]:
        tab.page.emulate_media(color_scheme=theme)
        tab.page.set_viewport_size({"width": width, "height": 900})
        shoot(tab, f"{name}-{theme}-{width}")
        tab.assert_sound()
    tab.page.emulate_media(color_scheme="light")


def confirm(tab: Browser) -> None:
    tab.page.get_by_label("Password").fill(PASSWORD)
    tab.page.get_by_role("button", name="Confirm").click()


def sign_out(tab: Browser) -> None:
    tab.open("/sign-in/logout/")
    tab.page.get_by_role("button", name="Sign out").last.click()


def test_a_passkey_is_made_signs_in_alone_and_is_removed(
    tab: Browser, cleo: User, authenticator: None
) -> None:
    page = tab.page
    tab.sign_in(cleo)
    tab.open("/security/")
    sound(tab, "security-empty")
    page.get_by_role("link", name="Add passkey").click()
    sound(tab, "reauthenticate")
    confirm(tab)
    sound(tab, "passkey-add")
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Add passkey").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    sound(tab, "recovery-codes")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert len(download.value.path().read_text().split()) == 10
    page.get_by_role("link", name="I have kept them").click()
    sound(tab, "security-passkey")
    assert page.get_by_text("Signs in alone").is_visible()
    page.get_by_role("link", name="Rename Laptop").click()
    sound(tab, "passkey-rename")
    page.get_by_label("Name").fill("My laptop")
    page.get_by_role("button", name="Rename").click()
    page.get_by_text("My laptop").first.wait_for()
    sign_out(tab)
    tab.open("/sign-in/login/?next=/security/")
    sound(tab, "login")
    # By keyboard alone.
    page.get_by_role("button", name="Sign in with a passkey").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/security/")
    page.get_by_role("link", name="Remove My laptop").click()
    page.get_by_role("link", name="Use a security key").or_(
        page.get_by_label("Password")
    ).first.wait_for()
    confirm(tab)
    sound(tab, "passkey-remove")
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Only your password signs you in").wait_for()
    assert not Authenticator.objects.exists()
    assert tab.errors == []


def test_an_app_is_set_up_and_asked_for_and_a_passkey_serves_in_its_place(
    tab: Browser, cleo: User, authenticator: None
) -> None:
    page = tab.page
    tab.sign_in(cleo)
    tab.open("/security/totp/activate/")
    confirm(tab)
    page.get_by_text("It cannot be scanned?").click()
    sound(tab, "app-set-up")
    secret = page.locator("#totp-secret").inner_text()
    page.get_by_label("Code of the app").fill(
        format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    )
    page.get_by_role("button", name="Set up").click()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("link", name="Add passkey").click()
    page.get_by_role("button", name="Add passkey").click()
    page.get_by_text("Signs in alone").wait_for()
    sign_out(tab)
    tab.open("/")
    page.get_by_label("Email").fill(cleo.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("heading", name="Second step").wait_for()
    sound(tab, "second-step")
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_text("This did not work").wait_for()
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{tab.url}/accounts/**")
    assert tab.errors == []


def test_pages_of_the_customers_sign_in_are_sound(tab: Browser, cleo: User, small: World) -> None:
    page = tab.page
    GroupMapping.objects.create(
        group="Meridian auditors", role=Role.AUDITOR, organization=small.organization
    )
    tab.sign_in(cleo)
    tab.open("/organizations/")
    sound(tab, "organizations")
    page.get_by_role("link", name="Sign-in of Meridian").click()
    sound(tab, "customer-sign-in")
    page.get_by_role("link", name="Map a group").click()
    page.get_by_role("heading", name="Map a group").wait_for()
    sound(tab, "group-mapping")
    page.get_by_role("textbox", name="Group").fill("owners")
    page.get_by_role("combobox", name="Role").select_option("Customer Administrator")
    page.get_by_role("combobox", name="On").select_option("Meridian account (account)")
    page.get_by_role("button", name="Map").click()
    page.get_by_text("Customer Administrator is granted on one customer.").wait_for()
    page.get_by_role("combobox", name="On").select_option("Meridian (customer)")
    page.get_by_role("button", name="Map").click()
    page.get_by_text("owners is mapped.").wait_for()
    page.get_by_role("link", name="Switch on two-factor sign-in").click()
    page.get_by_role("button", name="Require").click()
    page.get_by_text("Set up a second factor of your own first").wait_for()
    sound(tab, "two-factor-refused")
    assert not Customer.objects.get(pk=small.customer.pk).requires_two_factor


def test_a_session_elsewhere_is_ended_from_the_list(tab: Browser, cleo: User) -> None:
    elsewhere = Client(headers={"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/153.0"})
    elsewhere.force_login(cleo)
    elsewhere.get("/security/")
    tab.sign_in(cleo)
    tab.open("/security/")
    sound(tab, "sessions")
    tab.page.get_by_role("link", name="End all others").click()
    tab.page.get_by_role("button", name="End").click()
    tab.page.get_by_text("1 other session ended.").wait_for()
    assert elsewhere.get("/accounts/").status_code == 302

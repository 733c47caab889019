"""API keys and the API's reference in a browser."""

from __future__ import annotations

import itertools

import pytest
from django.test import Client

from portal.audit import SYSTEM
from portal.models import Role, RoleGrant, User
from reporting import api_keys
from tests.browser.conftest import Browser
from tests.scene import Scene


@pytest.fixture
def above(scene: Scene, administrator: User) -> None:
    """The administrator is one of the customer, too."""
    customer = scene.resource.account.organization.customer
    RoleGrant.objects.create(
        user=administrator, role=Role.CUSTOMER_ADMINISTRATOR, customer=customer
    )
    api_keys.create(SYSTEM, customer, name="Billing", role="auditor")


def test_a_key_is_made_copied_and_revoked(browser_tab: Browser, scene: Scene) -> None:
    tab, page = browser_tab, browser_tab.page
    address = f"/accounts/{scene.resource.account_id}/settings/api-keys/"
    tab.open(address)
    page.get_by_role("link", name="Create API key").click()
    page.get_by_label("Name").fill("Nightly export")
    page.get_by_label("Bearer token").check()
    page.get_by_role("button", name="Create").click()
    token = page.locator("#api-secret").inner_text()
    tab.assert_sound()
    bearer = {"Authorization": f"Bearer {token}"}
    assert Client().get("/api/v1/accounts", headers=bearer).status_code == 200
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="Revoke Nightly export").click()
    assert token.partition(".")[2] not in page.content()
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("cell", name="Revoked").wait_for()
    assert Client().get("/api/v1/accounts", headers=bearer).status_code == 401


def test_pages_of_keys_are_sound(browser_tab: Browser, scene: Scene, above: None) -> None:
    tab, account = browser_tab, scene.resource.account
    paths = (
        f"/accounts/{account.pk}/settings/api-keys/",
        f"/accounts/{account.pk}/settings/api-keys/create/",
        f"/organizations/{account.organization_id}/api-keys/",
        f"/customers/{account.organization.customer_id}/api-keys/",
        "/organizations/",
    )
    for theme, width in itertools.product(("light", "dark"), (1440, 390)):
        tab.page.set_viewport_size({"width": width, "height": 900})
        tab.page.context.add_cookies([{"name": "theme", "value": theme, "url": tab.url}])
        for path in paths:
            tab.open(path)
            tab.assert_sound()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_reference_is_drawn_and_tried_under_the_policy(
    browser_tab: Browser, scene: Scene, theme: str
) -> None:
    tab, page = browser_tab, browser_tab.page
    _, token = api_keys.create(SYSTEM, scene.resource.account, name="Trial", role="auditor")
    page.context.add_cookies([{"name": "theme", "value": theme, "url": tab.url}])
    tab.open("/api/v1/docs")
    page.get_by_role("button", name="Authorize").click()
    bearer = page.locator(".auth-container", has_text="Bearer")
    bearer.get_by_label("Value").fill(token)
    bearer.get_by_role("button", name="Apply credentials").click()
    bearer.get_by_text("Authorized").wait_for()
    bearer.locator(".btn-done").click()
    listed = page.locator("#operations-accounts-list_accounts")
    listed.locator(".opblock-summary-control").click()
    listed.get_by_role("button", name="Try it out").click()
    listed.get_by_role("button", name="Execute").click()
    answer = listed.locator(".live-responses-table .response-col_status", has_text="200")
    answer.wait_for()
    page.locator(".models-control").click()
    for toggle in page.locator(".model-box-control, .json-schema-2020-12-accordion").all()[:3]:
        toggle.click()
    assert page.evaluate("window.blocked") == []
    assert tab.errors == []
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        tab.assert_no_sideways_scroll()

"""An administrator in a real browser: a cluster is added and used, a person invited."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from playwright.sync_api import Page, expect

from portal.audit import SYSTEM
from portal.engine.runner import Runner
from portal.lab import LabServer
from portal.lab.azure.model import CLIENT, SECRET, SUBSCRIPTION, TENANT
from portal.models import CloudAccount, Resource, Role, RoleGrant, Task, User
from portal.services import tenancy
from tests.browser.conftest import Browser
from tests.scene import Scene


@pytest.fixture
def customer_wide(administrator: User, scene: Scene) -> User:
    """The signed-in person is Customer Administrator, too."""
    customer = scene.resource.account.organization.customer
    RoleGrant.objects.create(
        user=administrator, role=Role.CUSTOMER_ADMINISTRATOR, customer=customer
    )
    return administrator


def _work(scene: Scene) -> None:
    Runner(clock=scene.clock, threads=2).run(seconds=600)


def _add_cloud_account(page: Page, scene: Scene, endpoint: str) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("ahv-dub-02")
    dialog.get_by_label("Prism Element address").fill(endpoint)
    dialog.get_by_label("User").fill("admin")
    dialog.get_by_label("Password").fill("lab-password")
    dialog.get_by_label("CA certificate").fill(scene.resource.cloud_account.ca_pem)
    dialog.get_by_role("button", name="Add").click()


def _add_subscription(page: Page, server: LabServer, *, tenant: str) -> None:
    dialog, azure = page.get_by_role("dialog"), server.urls["azure"]
    dialog.get_by_label("Name").fill("azure-research")
    dialog.get_by_label("Tenant ID").fill(tenant)
    dialog.get_by_label("Subscription ID").fill(SUBSCRIPTION)
    dialog.get_by_label("Client ID").fill(CLIENT)
    dialog.get_by_label("Client secret").fill(SECRET)
    dialog.get_by_label("Authority").fill(azure)
    dialog.get_by_label("Resource Manager address").fill(azure)
    dialog.get_by_label("CA certificate").fill(server.ca_pem)
    dialog.get_by_role("button", name="Add").click()


@pytest.mark.usefixtures("customer_wide")
def test_a_cluster_is_added_tested_synchronised_and_its_machine_assigned(
    browser_tab: Browser, scene: Scene
) -> None:
    page, account = browser_tab.page, scene.resource.account
    scene.lab.clusters["ahv-lon-01"].add_vm("util-new-01", power="off", size_bytes=2**30)
    endpoint = scene.resource.cloud_account.endpoint
    browser_tab.open("/cloud-accounts/")
    page.get_by_role("link", name="Add cloud account").click()
    _add_cloud_account(page, scene, endpoint.replace("https", "http"))
    expect(page.get_by_text("must begin with https://")).to_be_visible()
    _add_cloud_account(page, scene, endpoint)
    expect(page.get_by_role("heading", name="ahv-dub-02")).to_be_visible()
    browser_tab.assert_sound()

    page.get_by_role("button", name="Test Connection").click()
    page.get_by_role("button", name="Synchronise inventory").click()
    _work(scene)
    expect(page.get_by_role("cell", name="util-new-01")).to_be_visible()
    expect(page.get_by_text("Reachable")).to_be_visible()
    assert CloudAccount.objects.get(name="ahv-dub-02").health == CloudAccount.Health.REACHABLE

    Resource.objects.all().delete()
    account.cloud_account = CloudAccount.objects.get(name="ahv-dub-02")
    account.save()
    browser_tab.open(f"/accounts/{account.pk}/machines/")
    page.get_by_role("link", name="Assign machine").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Machine").select_option(label="util-new-01")
    dialog.get_by_label("Utility Server").check()
    dialog.get_by_role("button", name="Assign").click()
    expect(page.get_by_role("cell", name="util-new-01", exact=True)).to_be_visible()
    browser_tab.assert_sound()


@pytest.mark.usefixtures("customer_wide")
def test_a_subscription_is_added_and_its_machine_backed_up_while_it_runs(
    browser_tab: Browser, scene: Scene, own_lab: LabServer
) -> None:
    page, account = browser_tab.page, scene.resource.account
    scene.lab.azure.add_vm("research-vdi-sandbox", size_gb=1)
    browser_tab.open("/cloud-accounts/")
    page.get_by_role("link", name="Add cloud account").click()
    page.get_by_role("dialog").get_by_role("link", name="Azure").click()
    expect(page.get_by_role("dialog").get_by_label("Tenant ID")).to_be_visible()
    _add_subscription(page, own_lab, tenant="contoso")
    expect(page.get_by_text("Enter an ID such as")).to_be_visible()
    browser_tab.assert_sound()
    _add_subscription(page, own_lab, tenant=TENANT)
    expect(page.get_by_role("heading", name="azure-research")).to_be_visible()
    page.get_by_role("button", name="Test Connection").click()
    page.get_by_role("button", name="Synchronise inventory").click()
    _work(scene)
    expect(page.get_by_role("cell", name="research-vdi-sandbox")).to_be_visible()
    browser_tab.assert_sound()

    azure = CloudAccount.objects.get(name="azure-research")
    research = tenancy.create_account(
        SYSTEM, account.organization, name="Research VDI", time_zone="UTC", is_domain_joined=False,
        infrastructure="azure", cloud_account=azure, site="westeurope",
    )  # fmt: skip
    browser_tab.open(f"/accounts/{research.pk}/machines/")
    page.get_by_role("link", name="Assign machine").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Machine").select_option(label="research-vdi-sandbox")
    dialog.get_by_role("button", name="Assign").click()
    expect(page.get_by_role("cell", name="research-vdi-sandbox", exact=True)).to_be_visible()

    browser_tab.open(f"/accounts/{research.pk}/sandbox/")
    page.get_by_role("link", name="Create backup").first.click()
    dialog.get_by_label("Name").fill("While it works")
    dialog.get_by_role("button", name="Create").click()
    keep = dialog.get_by_role("button", name="Keep running")
    expect(keep).to_be_visible()
    browser_tab.assert_sound()
    keep.click()
    expect(page.get_by_text("Backup “While it works” requested")).to_be_visible()
    scene.drive(scene.allow_time(Task.objects.get(kind="create_backup")))
    browser_tab.open(f"/accounts/{research.pk}/sandbox/")
    expect(page.get_by_text("Crash-consistent")).to_be_visible()
    browser_tab.assert_sound()
    vm = next(iter(scene.lab.azure.vms.values()))
    assert vm.power == "running"


def test_somebody_is_invited_and_joins(browser_tab: Browser, scene: Scene) -> None:
    page, account = browser_tab.page, scene.resource.account
    browser_tab.open(f"/accounts/{account.pk}/settings/access/")
    page.get_by_role("link", name="Grant a role").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Email").fill("new@example.test")
    dialog.get_by_label("Role").select_option(label=f"Customer Auditor of {account} (account)")
    dialog.get_by_role("button", name="Grant").click()
    expect(page.get_by_text("Invitation sent to new@example.test")).to_be_visible()
    browser_tab.assert_sound()

    link = re.search(r"https?://\S+/invitations/\S+", str(mail.outbox[0].body))
    assert link
    browser = page.context.browser
    assert browser
    context = browser.new_context(java_script_enabled=False)
    invited = context.new_page()
    invited.goto(link.group(0))
    invited.get_by_label("Your name").fill("Nora New")
    invited.get_by_label("Password", exact=True).fill("a-long-enough-password")
    invited.get_by_label("Password again").fill("a-long-enough-password")
    invited.get_by_role("button", name="Accept").click()
    invited.wait_for_url("**/accounts/**")
    context.close()
    assert RoleGrant.objects.filter(user__email="new@example.test", account=account).exists()

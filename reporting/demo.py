"""The demo's customers, people and machines, and the tasks that really run for its data.

Everything goes through the services a person's clicks go through; the tasks run in this
process, against the lab. Loading it again adds what is missing and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Any

import requests

from backups import policies
from backups import services as backups
from backups.models import Backup
from portal.audit import SYSTEM, Actor
from portal.engine.runner import Runner
from portal.models import (
    Account,
    CloudAccount,
    Customer,
    DiscoveredServer,
    Infrastructure,
    Organization,
    Resource,
    Role,
    RoleGrant,
    Task,
    User,
)
from portal.services import cloud_accounts, machines, people, tenancy
from reporting import demo_recovery, demo_volumes

Say = Callable[[str], None]

PASSWORD = "standby-demo"  # noqa: S105  # the demo's, printed at its start, loopback only
AHV_SECRETS = {"user": "admin", "password": "lab-password", "agent_token": "lab-agent-token"}
# What the lab's one application signs in with.
AZURE_SECRETS = {
    "tenant": "11111111-1111-4111-8111-111111111111",
    "subscription": "33333333-3333-4333-8333-333333333333",
    "client_id": "22222222-2222-4222-8222-222222222222",
    "client_secret": "lab-secret",
}
# The lab's clock while the demo is loaded: its guests take their time to shut down.
LAB_SCALE = 30.0
ROUND_SECONDS = 300

NAMES = {
    "customer-admin@meridian.example": "Marta Lindgren",
    "org-admin@meridian.example": "Hana Kovář",
    "account-admin@meridian.example": "Daniel Okafor",
    "support@meridian.example": "Sofia Lindqvist",
    "auditor@meridian.example": "Tomás Ferreira",
    "customer-admin@northwind.example": "Priya Nair",
    "staff@standby.example": "Sam Whitfield",
}
CLOUD_PERSON = "customer-admin@meridian.example"
# Who makes the backups, by account: somebody with a role there.
BACKUP_PEOPLE = {
    "Radiology PACS": "account-admin@meridian.example",
    "Research VDI": "org-admin@meridian.example",
}
MACHINES = {
    "radiology-pacs-sandbox": Resource.Kind.SANDBOX,
    "util-dicom-01": Resource.Kind.UTILITY_SERVER,
    "util-license-01": Resource.Kind.UTILITY_SERVER,
    "util-files-01": Resource.Kind.UTILITY_SERVER,
    "research-vdi-sandbox": Resource.Kind.SANDBOX,
    "util-matlab-01": Resource.Kind.UTILITY_SERVER,
    "util-license-02": Resource.Kind.UTILITY_SERVER,
}
# Systems with a schedule, and the time of day in their account's zone.
NIGHTLY = {
    "radiology-pacs-sandbox": time(22),
    "util-dicom-01": time(2),
    "research-vdi-sandbox": time(22),
}
# The lab's name of a cloud -> what the demo calls the cloud account there.
AZURE = "azure"
CLOUD_ACCOUNTS = {AZURE: "azure-research"}
AZURE_REGION = "westeurope"


@dataclass(frozen=True)
class Wanted:
    """A backup the demo shows."""

    machine: str
    name: str
    description: str = ""
    keep_running: bool = False


# One round after the other; a machine has one backup under way at a time.
ROUNDS = (
    (
        Wanted("radiology-pacs-sandbox", "Before PACS viewer 12.4", "Asked for in change 4182."),
        Wanted("util-dicom-01", "Before router update"),
        Wanted("util-license-01", "Known good", "License server after the move to the new host."),
        Wanted("research-vdi-sandbox", "Before CUDA 13", "The image before the driver update."),
        Wanted("util-matlab-01", "While it computed", keep_running=True),
    ),
    (
        Wanted("radiology-pacs-sandbox", "After PACS viewer 12.4", "Tested by the reading room."),
        Wanted("util-files-01", "Before quota change"),
    ),
)


@dataclass(frozen=True)
class Lab:
    """Where the emulated clouds answer: endpoint by the lab's name, and the CA to trust."""

    endpoints: dict[str, str]
    ca_path: Path

    def set_scale(self, scale: float) -> None:
        """Let the lab's clocks run this many times as fast as ours (its control API)."""
        for endpoint in self.endpoints.values():
            url = f"{endpoint}/.lab/clock"
            answer = requests.post(url, json={"scale": scale}, verify=str(self.ca_path), timeout=10)
            answer.raise_for_status()


def load(lab: Lab, say: Say) -> None:
    """Load the demo; may be called again at any time while no worker runs."""
    radiology, research = _tenancy(say)
    _cloud_accounts(radiology.organization.customer, lab, say)
    lab.set_scale(LAB_SCALE)
    try:
        # First: the inventory brings volumes to the account that lives there.
        _place(radiology, next(iter(lab.endpoints)), "")
        _place(research, CLOUD_ACCOUNTS[AZURE], AZURE_REGION)
        _look_at_clouds(say)
        for account in (radiology, research):
            _assign(account, say)
            demo_volumes.schedule(_actor(BACKUP_PEOPLE[account.name]), account)
        for number, wanted in enumerate(ROUNDS):
            if number == 1:
                _enable_recovery(radiology, research, say)
            begun = _back_up((radiology, research), wanted)
            for account in (radiology, research):
                begun += demo_volumes.back_up(_actor(BACKUP_PEOPLE[account.name]), account)
            if begun:
                _run(f"Backing up {begun} servers and volumes", say)
    finally:
        lab.set_scale(1.0)


def _enable_recovery(radiology: Account, research: Account, say: Say) -> None:
    """From the second round on, every backup is replicated."""
    begun = [
        demo_recovery.enable(_actor(CLOUD_PERSON), account, is_azure=account == research)
        for account in (radiology, research)
    ]
    if any(begun):
        _run("Configuring disaster recovery", say)


def _tenancy(say: Say) -> tuple[Account, Account]:
    """Make customers, organizations, accounts and people; return those with machines."""
    meridian, _ = Customer.objects.get_or_create(name="Meridian Health")
    northwind, _ = Customer.objects.get_or_create(name="Northwind Legal")
    clinical = _organization(meridian, "EMEA Clinical")
    radiology = _account(clinical, "Radiology PACS", "Europe/London")
    research = _account(clinical, "Research VDI", "Europe/Berlin", Infrastructure.AZURE)
    _account(_organization(northwind, "London Office"), "Case Desktops", "Europe/London")
    for email, role, scope in (
        ("customer-admin@meridian.example", Role.CUSTOMER_ADMINISTRATOR, meridian),
        ("org-admin@meridian.example", Role.ORGANIZATION_ADMINISTRATOR, clinical),
        ("account-admin@meridian.example", Role.ACCOUNT_ADMINISTRATOR, radiology),
        ("support@meridian.example", Role.SUPPORT, meridian),
        ("auditor@meridian.example", Role.AUDITOR, meridian),
        ("customer-admin@northwind.example", Role.CUSTOMER_ADMINISTRATOR, northwind),
    ):
        _person(email, role, scope)
    if not User.objects.filter(email="staff@standby.example").exists():
        User.objects.create_superuser(
            "staff@standby.example", PASSWORD, full_name=NAMES["staff@standby.example"]
        )
    say("Two customers and their people are there.")
    return radiology, research


def _organization(customer: Customer, name: str) -> Organization:
    found = customer.organizations.filter(name=name).first()
    return found or tenancy.create_organization(SYSTEM, customer, name=name)


def _account(
    organization: Organization,
    name: str,
    time_zone: str,
    infrastructure: str = Infrastructure.AHV,
) -> Account:
    found = organization.accounts.filter(name=name).first()
    if found:
        return found
    return tenancy.create_account(
        SYSTEM, organization, name=name, time_zone=time_zone, is_domain_joined=True,
        infrastructure=infrastructure,
    )  # fmt: skip


def _person(email: str, role: Role, scope: object) -> None:
    user = User.objects.filter(email=email).first()
    if user is None:
        user = User.objects.create_user(email, PASSWORD, full_name=NAMES[email])
        people.grant_role(SYSTEM, user, role=role, scope=scope)
    elif not RoleGrant.objects.filter(user=user).exists():
        people.grant_role(SYSTEM, user, role=role, scope=scope)


def _actor(email: str) -> Actor:
    """A person of the demo, who asks for what the demo shows."""
    user = User.objects.get(email=email)
    return Actor(user, str(user), "demo")


def _cloud_accounts(customer: Customer, lab: Lab, say: Say) -> None:
    """Register the clouds, and bring addresses and CA up to date: the lab may have moved."""
    names = []
    for place, endpoint in lab.endpoints.items():
        name = CLOUD_ACCOUNTS.get(place, place)
        is_azure = place == AZURE
        secrets = {**AHV_SECRETS, "agent_endpoint": endpoint}
        if is_azure:
            secrets = {**AZURE_SECRETS, "authority": endpoint}
        connection: dict[str, Any] = {
            "name": name,
            "endpoint": endpoint,
            "secrets": secrets,
            "ca_pem": lab.ca_path.read_text(),
        }
        found = CloudAccount.objects.filter(customer=customer, name=name).first()
        if found:
            cloud_accounts.edit_cloud_account(_actor(CLOUD_PERSON), found, **connection)
        else:
            kind = Infrastructure.AZURE if is_azure else Infrastructure.AHV
            cloud_accounts.create_cloud_account(
                _actor(CLOUD_PERSON), customer=customer, kind=kind, **connection
            )
        names.append(name)
    say(f"Cloud accounts: {', '.join(names)}.")


def _place(account: Account, cloud_account: str, site: str) -> None:
    """Say where an account's machines live, unless a person has said so."""
    if account.cloud_account is None:
        customer = account.organization.customer
        found = CloudAccount.objects.get(customer=customer, name=cloud_account)
        tenancy.place_account(_actor(CLOUD_PERSON), account, cloud_account=found, site=site)


def _look_at_clouds(say: Say) -> None:
    """Test each connection that has not been, and synchronise each inventory for the first time."""
    for cloud_account in CloudAccount.objects.order_by("name"):
        busy = Task.objects.active().filter(cloud_account=cloud_account)
        is_known = cloud_account.health == CloudAccount.Health.REACHABLE
        if not is_known and not busy.filter(kind="test_cloud_account").exists():
            cloud_accounts.check_connection(_actor(CLOUD_PERSON), cloud_account)
        is_fresh = cloud_account.synced_at and not demo_volumes.are_lacking(cloud_account)
        if not is_fresh and not busy.filter(kind="sync_inventory").exists():
            cloud_accounts.synchronise(_actor(CLOUD_PERSON), cloud_account)
    _run("Testing connections, synchronising inventories", say)


def _assign(account: Account, say: Say) -> None:
    """Assign the demo's machines, unless a person has already assigned any."""
    account.refresh_from_db()
    if account.resources.filter(kind__in=machines.SERVER_KINDS).exists():
        return
    for server in DiscoveredServer.objects.filter(
        cloud_account=account.cloud_account, name__in=MACHINES
    ):
        machines.assign_machine(
            _actor(CLOUD_PERSON), account, server=server, kind=MACHINES[server.name]
        )
    volumes = account.resources.volumes().count()
    say(f"{account}: {account.resources.count() - volumes} machines assigned, {volumes} volumes.")
    for resource in account.resources.filter(name__in=NIGHTLY):
        wanted = policies.Wanted(True, NIGHTLY[resource.name], account.time_zone, 7, 10)
        policies.save_policy(_actor(BACKUP_PEOPLE[account.name]), resource, wanted)


def _back_up(accounts: tuple[Account, ...], wanted: tuple[Wanted, ...]) -> int:
    """Request the backups of one round that were never made before; return how many."""
    begun = 0
    for backup in wanted:
        resource = Resource.objects.filter(account__in=accounts, name=backup.machine).first()
        if resource is None or resource.active_task():
            continue
        if Backup.objects.filter(resource=resource, name=backup.name).exists():
            continue
        backups.create_backup(
            _actor(BACKUP_PEOPLE[resource.account.name]),
            resource,
            name=backup.name,
            description=backup.description,
            may_power_off=not backup.keep_running,
            keep_running=backup.keep_running,
        )
        begun += 1
    return begun


def _run(doing: str, say: Say) -> None:
    """Run every task that is there to its end, as a worker would."""
    if not Task.objects.active().exists():
        return
    say(f"{doing} ...")
    Runner().run(seconds=ROUND_SECONDS)

"""The demo's customers, people and machines, and the tasks that really run for its data.

Everything goes through the services a person's clicks go through; the tasks run in this
process, against the lab. Loading it again adds what is missing and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from backups import services as backups
from backups.models import Backup
from portal.audit import SYSTEM, Actor
from portal.engine.runner import Runner
from portal.models import (
    Account,
    CloudAccount,
    Customer,
    DiscoveredServer,
    Organization,
    Resource,
    Role,
    RoleGrant,
    Task,
    User,
)
from portal.services import cloud_accounts, machines, people, tenancy

Say = Callable[[str], None]

PASSWORD = "standby-demo"  # noqa: S105  # the demo's, printed at its start, loopback only
LAB_USER, LAB_PASSWORD = "admin", "lab-password"
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
BACKUP_PERSON = "account-admin@meridian.example"
MACHINES = {
    "radiology-pacs-sandbox": Resource.Kind.SANDBOX,
    "util-dicom-01": Resource.Kind.UTILITY_SERVER,
    "util-license-01": Resource.Kind.UTILITY_SERVER,
    "util-files-01": Resource.Kind.UTILITY_SERVER,
}


@dataclass(frozen=True)
class Wanted:
    """A backup the demo shows."""

    machine: str
    name: str
    description: str = ""


# One round after the other; a machine has one backup under way at a time.
ROUNDS = (
    (
        Wanted("radiology-pacs-sandbox", "Before PACS viewer 12.4", "Asked for in change 4182."),
        Wanted("util-dicom-01", "Before router update"),
        Wanted("util-license-01", "Known good", "License server after the move to the new host."),
    ),
    (
        Wanted("radiology-pacs-sandbox", "After PACS viewer 12.4", "Tested by the reading room."),
        Wanted("util-files-01", "Before quota change"),
    ),
)


@dataclass(frozen=True)
class Lab:
    """Where the emulated clusters answer: endpoint by cluster name, and the CA to trust."""

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
    account = _tenancy(say)
    _cloud_accounts(account, lab, say)
    lab.set_scale(LAB_SCALE)
    try:
        _look_at_clouds(say)
        _assign(account, say)
        for wanted in ROUNDS:
            _back_up(account, wanted, say)
    finally:
        lab.set_scale(1.0)


def _tenancy(say: Say) -> Account:
    """Make customers, organizations, accounts and people; return Radiology PACS."""
    meridian, _ = Customer.objects.get_or_create(name="Meridian Health")
    northwind, _ = Customer.objects.get_or_create(name="Northwind Legal")
    clinical = _organization(meridian, "EMEA Clinical")
    radiology = _account(clinical, "Radiology PACS", "Europe/London")
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
    return radiology


def _organization(customer: Customer, name: str) -> Organization:
    found = customer.organizations.filter(name=name).first()
    return found or tenancy.create_organization(SYSTEM, customer, name=name)


def _account(organization: Organization, name: str, time_zone: str) -> Account:
    found = organization.accounts.filter(name=name).first()
    if found:
        return found
    return tenancy.create_account(
        SYSTEM, organization, name=name, time_zone=time_zone, is_domain_joined=True
    )


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


def _cloud_accounts(account: Account, lab: Lab, say: Say) -> None:
    """Register both clusters, and bring addresses and CA up to date: the lab may have moved."""
    customer = account.organization.customer
    for name, endpoint in lab.endpoints.items():
        connection: dict[str, Any] = {
            "name": name,
            "endpoint": endpoint,
            "user": LAB_USER,
            "password": LAB_PASSWORD,
            "ca_pem": lab.ca_path.read_text(),
        }
        found = CloudAccount.objects.filter(customer=customer, name=name).first()
        if found:
            cloud_accounts.edit_cloud_account(_actor(CLOUD_PERSON), found, **connection)
        else:
            cloud_accounts.create_cloud_account(
                _actor(CLOUD_PERSON), customer=customer, **connection
            )
    if account.cloud_account is None:
        primary = CloudAccount.objects.get(customer=customer, name=next(iter(lab.endpoints)))
        tenancy.place_account(_actor(CLOUD_PERSON), account, cloud_account=primary, site="")
    say(f"Cloud accounts: {', '.join(lab.endpoints)}.")


def _look_at_clouds(say: Say) -> None:
    """Test each connection that has not been, and synchronise each inventory for the first time."""
    for cloud_account in CloudAccount.objects.order_by("name"):
        busy = Task.objects.active().filter(cloud_account=cloud_account)
        is_known = cloud_account.health == CloudAccount.Health.REACHABLE
        if not is_known and not busy.filter(kind="test_cloud_account").exists():
            cloud_accounts.check_connection(_actor(CLOUD_PERSON), cloud_account)
        if cloud_account.synced_at is None and not busy.filter(kind="sync_inventory").exists():
            cloud_accounts.synchronise(_actor(CLOUD_PERSON), cloud_account)
    _run("Testing connections, synchronising inventories", say)


def _assign(account: Account, say: Say) -> None:
    """Assign the demo's machines, unless a person has already assigned any."""
    account.refresh_from_db()
    if account.resources.exists():
        return
    for server in DiscoveredServer.objects.filter(
        cloud_account=account.cloud_account, name__in=MACHINES
    ):
        machines.assign_machine(
            _actor(CLOUD_PERSON), account, server=server, kind=MACHINES[server.name]
        )
    say(f"{account}: {account.resources.count()} machines assigned.")


def _back_up(account: Account, wanted: tuple[Wanted, ...], say: Say) -> None:
    """Make the backups of one round that were never made before."""
    begun = 0
    for backup in wanted:
        resource = account.resources.filter(name=backup.machine).first()
        if resource is None or resource.active_task():
            continue
        if Backup.objects.filter(resource=resource, name=backup.name).exists():
            continue
        backups.create_backup(
            _actor(BACKUP_PERSON),
            resource,
            name=backup.name,
            description=backup.description,
            may_power_off=True,
        )
        begun += 1
    if begun:
        _run(f"Backing up {begun} servers", say)


def _run(doing: str, say: Say) -> None:
    """Run every task that is there to its end, as a worker would."""
    if not Task.objects.active().exists():
        return
    say(f"{doing} ...")
    Runner().run(seconds=ROUND_SECONDS)

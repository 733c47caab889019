"""The deployment and its records, made as people would make them: by services, run by workers."""

from __future__ import annotations

import json
import logging
import os
import time as wall
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tests.soak import processes
from tests.soak.plan import AHV, DUBLIN, LONDON, SANDBOX, SERVERS, VOLUMES, Desk, Options, desks
from tests.soak.processes import ROOT

if TYPE_CHECKING:
    from uuid import UUID

    from portal.models import Account, CloudAccount, Customer, Task
    from tests.postgres import PrivateServer

PASSWORD = "soak-password-7"
AZURE_NAME, REGION, OTHER_REGION = "azure-soak", "westeurope", "northeurope"
SETUP_SECONDS = 600
READ_TIMEOUT_SECONDS = 8
KEEP_SCHEDULED, KEEP_MANUAL, KEEP_AFTER_SESSION = 1, 10, 1
WORKERS = 2


@dataclass
class World:
    """All there is. ``runs`` are the schedule's runs to come, by the id of their policy."""

    options: Options
    folder: Path
    database: PrivateServer
    lab: processes.LabHost
    web: processes.Service
    workers: list[processes.Service]
    url: str
    desks: list[Desk]
    token: str = ""
    people: list[str] = field(default_factory=list)
    runs: list[tuple[UUID, datetime]] = field(default_factory=list)

    @property
    def services(self) -> list[processes.Service]:
        return [self.web, *self.workers]

    def stop(self) -> None:
        """End every process."""
        for service in self.services:
            service.stop()
        self.lab.stop()
        self.database.stop()
        self.database.remove()


def environment(url: str, folder: Path) -> dict[str, str]:
    """What every process of the product finds: production's settings, and a lab on loopback."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        # Loopback endpoints are allowed, and there is no TLS in front.
        "STANDBY_DEMO": "true",
        "DATABASE_URL": url,
        "STANDBY_DATA_DIR": str(folder / "var"),
        "SECRET_KEY": "a key for this soak only, as long as it lasts",
        "CLOUD_READ_TIMEOUT_SECONDS": str(READ_TIMEOUT_SECONDS),
        # The driver sends all that fifty people and their programs would, from one address.
        "API_REQUESTS_A_MINUTE": "6000",
        "PYTHONUNBUFFERED": "1",
        # Each start of a process would compile Django anew where a shell forbids to keep it.
        "PYTHONPYCACHEPREFIX": str(ROOT / ".venv" / "bytecode"),
        "NO_PROXY": "127.0.0.1",
    }


def build(options: Options, folder: Path, database: PrivateServer) -> World:
    """Start every process and make every record. Django has not been set up before."""
    ours = environment(database.url, folder)
    (folder / "var").mkdir()
    os.environ |= ours
    _prepare_database()
    # Its line for every wake would drown what is said here.
    logging.getLogger("django-q").setLevel(logging.WARNING)
    lab = processes.LabHost(options, folder)
    port = processes.free_port()
    web = processes.web(port, ours, folder)
    workers = [processes.worker(number, ours, folder) for number in range(1, WORKERS + 1)]
    url = f"http://127.0.0.1:{port}"
    world = World(options, folder, database, lab, web, workers, url, desks(options))
    try:
        _make_records(world)
    except BaseException:
        world.stop()
        raise
    return world


def _prepare_database() -> None:
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    call_command("createcachetable", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    connections.close_all()


def _make_records(world: World) -> None:
    from portal.audit import SYSTEM
    from portal.models import Customer
    from reporting import api_keys
    from reporting.models import ApiKey

    customer = Customer.objects.create(name="Soak")
    clouds = _cloud_accounts(world, customer)
    accounts = _accounts(world, customer, clouds)
    _people(world, customer, accounts)
    key, world.token = api_keys.create(
        SYSTEM, customer, name="Broker and programs", role="customer_administrator"
    )
    assert isinstance(key, ApiKey)
    _synchronise(list(clouds.values()))
    _assign(world, accounts)
    _switch_recovery_on(world, accounts, clouds)
    _schedule(world, accounts)


def _cloud_accounts(world: World, customer: Customer) -> dict[str, CloudAccount]:
    from portal.audit import SYSTEM
    from portal.models import InstanceType
    from portal.services import cloud_accounts
    from reporting.demo import AHV_SECRETS, AZURE_SECRETS

    made = {}
    for name, url in world.lab.urls.items():
        is_cluster = name in (LONDON, DUBLIN)
        secrets = (
            {**AHV_SECRETS, "agent_endpoint": url} if is_cluster else
            {**AZURE_SECRETS, "authority": url}
        )  # fmt: skip
        made[name] = cloud_accounts.create_cloud_account(
            SYSTEM, customer=customer, name=name if is_cluster else AZURE_NAME, endpoint=url,
            kind=AHV if is_cluster else "azure", secrets=secrets, ca_pem=world.lab.ca.read_text(),
        )  # fmt: skip
        if is_cluster:
            InstanceType.objects.create(
                cloud_account=made[name], name="AHV 2 vCPU 8 GB", vcpus=2, memory_mb=8192
            )
    return made


def _accounts(
    world: World, customer: Customer, clouds: dict[str, CloudAccount]
) -> dict[UUID, Account]:
    from portal.audit import SYSTEM
    from portal.models import Account
    from portal.services import tenancy

    organization = tenancy.create_organization(SYSTEM, customer, name="Soak")
    made = {}
    for desk in world.desks:
        # With the id that the platform says at the clouds.
        account = Account.objects.create(
            id=desk.id, organization=organization, name=desk.name, time_zone="UTC",
            infrastructure=desk.infrastructure, is_domain_joined=True,
        )  # fmt: skip
        is_ahv = desk.infrastructure == AHV
        made[desk.id] = tenancy.place_account(
            SYSTEM, account, cloud_account=clouds[LONDON if is_ahv else "azure"],
            site="" if is_ahv else REGION,
        )  # fmt: skip
    return made


def _people(world: World, customer: Customer, accounts: dict[UUID, Account]) -> None:
    from portal.audit import SYSTEM
    from portal.models import Role, User
    from portal.services import people

    scopes: list[tuple[str, Role, Customer | Account]] = [
        ("customer-admin@soak.example", Role.CUSTOMER_ADMINISTRATOR, customer),
        ("second-admin@soak.example", Role.CUSTOMER_ADMINISTRATOR, customer),
        ("auditor@soak.example", Role.AUDITOR, customer),
    ]
    for number, account in enumerate(list(accounts.values())[:3]):
        email = f"account-admin-{number}@soak.example"
        scopes.append((email, Role.ACCOUNT_ADMINISTRATOR, account))
    for email, role, scope in scopes:
        user = User.objects.create_user(email, PASSWORD, full_name=email.partition("@")[0])
        people.grant_role(SYSTEM, user, role=role, scope=scope)
        world.people.append(email)


def _synchronise(clouds: list[CloudAccount]) -> None:
    from portal.audit import SYSTEM
    from portal.services import cloud_accounts

    tasks = [cloud_accounts.check_connection(SYSTEM, each) for each in clouds]
    tasks += [cloud_accounts.synchronise(SYSTEM, each) for each in clouds]
    _await(tasks)


def _assign(world: World, accounts: dict[UUID, Account]) -> None:
    from portal.audit import SYSTEM
    from portal.models import DiscoveredServer, Resource
    from portal.services import machines

    for desk in world.desks:
        servers = {each.name: each.kind for each in desk.things if each.kind in SERVERS}
        for server in DiscoveredServer.objects.filter(name__in=servers):
            machines.assign_machine(
                SYSTEM, accounts[desk.id], server=server, kind=servers[server.name]
            )
    found, wanted = Resource.objects.count(), sum(len(desk.things) for desk in world.desks)
    if found != wanted:
        raise RuntimeError(f"The inventory found {found} of {wanted} things.")


def _switch_recovery_on(
    world: World, accounts: dict[UUID, Account], clouds: dict[str, CloudAccount]
) -> None:
    from disaster_recovery import configuration
    from portal.audit import SYSTEM

    tasks = []
    for desk in world.desks:
        if desk.has_recovery:
            is_ahv = desk.infrastructure == AHV
            tasks.append(
                configuration.enable(
                    SYSTEM, accounts[desk.id], target_rpo_hours=24, post_session_backup=True,
                    cloud_account=clouds[DUBLIN if is_ahv else "azure"],
                    site="" if is_ahv else OTHER_REGION, stops_server=desk.stops_server,
                )
            )  # fmt: skip
    _await(tasks)


def _schedule(world: World, accounts: dict[UUID, Account]) -> None:
    """A daily schedule for each server and each kind, at minutes spread over the run."""
    from backups import policies
    from backups.models import Settings
    from portal.audit import SYSTEM
    from portal.models import Resource
    from tests.soak.plan import dice, schedule_minutes

    rng = dice(world.options, "schedules")
    first = datetime.now(UTC) + timedelta(minutes=1)
    saved: list[Settings] = []

    def wanted() -> policies.Wanted:
        at = first + timedelta(minutes=rng.randrange(schedule_minutes(world.options)))
        return policies.Wanted(
            True, at.time().replace(second=0, microsecond=0), "UTC",
            KEEP_SCHEDULED, KEEP_MANUAL, KEEP_AFTER_SESSION,
        )  # fmt: skip

    for account in accounts.values():
        for kind in VOLUMES:
            saved.append(policies.save_volume_policy(SYSTEM, account, kind, wanted()))
        for server in Resource.objects.filter(account=account, kind__in=SERVERS).order_by("name"):
            # A machine that is written to all day has its copies by hand.
            if server.kind == SANDBOX or rng.random() < 0.7:
                saved.append(policies.save_policy(SYSTEM, server, wanted()))
    world.runs = [(each.pk, each.next_run_at) for each in saved if each.next_run_at]


def _await(tasks: list[Task]) -> None:
    from portal.models import Task

    until = wall.monotonic() + SETUP_SECONDS
    ids = [task.pk for task in tasks]
    while Task.objects.active().filter(pk__in=ids).exists():
        if wall.monotonic() > until:
            raise RuntimeError("The set-up's tasks have not ended in time.")
        wall.sleep(0.2)
    failed = Task.objects.filter(pk__in=ids).exclude(state=Task.State.DONE)
    if failed.exists():
        said = json.dumps([f"{each}: {each.error} {each.advice}" for each in failed])
        raise RuntimeError(f"The set-up failed: {said}")

"""One server at a fresh lab and its rows here, and what must hold after every end of a task."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from backups import publish, services
from backups.models import Backup
from portal.audit import SYSTEM
from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from portal.models import (
    Account,
    CloudAccount,
    Customer,
    Infrastructure,
    Organization,
    Resource,
    Task,
)
from tests.clock import JumpClock
from tests.contract.azure_site import AzureSite
from tests.contract.sites import PrismSite, Site

CLUSTER = "ahv-lon-01"
GIB = 2**30
_numbers = itertools.count(1)


@dataclass
class Scene:
    """A server that is on or off, its content at the lab, its resource here."""

    site: Site
    lab: Lab
    resource: Resource
    was_on: bool
    clock: JumpClock

    @property
    def vms(self) -> dict[str, Any]:  # the lab's Vm by uuid
        """The machines of the AHV cluster."""
        return self.lab.clusters[CLUSTER].vms

    @property
    def vm(self) -> Any:  # the lab's Vm
        """The server, when it is one of the AHV cluster."""
        return self.lab.clusters[CLUSTER].vms[self.resource.external_id]

    @property
    def content(self) -> str:
        return self.site.contents(self.resource.external_id)[0]

    def write(self, content: str) -> None:
        """What the guest does to its disk between two backups."""
        self.site.write(self.resource.external_id, [content])

    def drive(self, task: Task | None) -> Task:
        """Run a task to its end, in this process."""
        if task is None:
            raise AssertionError("no task")
        Runner(clock=self.clock, threads=4).run(seconds=30 * 86400)
        task.refresh_from_db()
        return task

    def drive_until(self, is_there: Callable[[], bool]) -> None:
        """Run in short turns until something is so, or nothing is left to do."""
        while not is_there() and Runner(clock=self.clock, threads=4).run(seconds=0.5):
            self.clock.advance(0.5)

    def backup(self, name: str = "A backup", *, keep_running: bool = False) -> Backup:
        """Start a backup; powering off is accepted, unless the server is to go on running."""
        self.resource.refresh_from_db()
        backup = services.create_backup(
            SYSTEM, self.resource, name=name,
            may_power_off=not keep_running, keep_running=keep_running,
        )  # fmt: skip
        self.allow_time(backup.task)
        return backup

    def publish(self) -> Backup:
        """Start publishing, in an account that is domain-joined: with sysprep."""
        self.resource.refresh_from_db()
        account = self.resource.account
        account.is_domain_joined = True
        account.save()
        backup = publish.publish_sandbox(SYSTEM, self.resource, may_power_off=True)
        self.allow_time(backup.task)
        return backup

    def have_backup(self, name: str = "A backup") -> Backup:
        """A complete backup, as a task has left it at the lab and here; made without one."""
        task = Task.objects.create(
            kind="create_backup", title="Backup", account=self.resource.account,
            resource=self.resource, state=Task.State.DONE, deadline_at=self.clock.now(),
        )  # fmt: skip
        copy = self.site.add_copy(self.resource.external_id, task.token)
        return Backup.objects.create(
            resource=self.resource, account=self.resource.account, kind=self.resource.kind,
            name=name, type=Backup.Type.MANUAL, task=task,
            status=Backup.Status.READY, external_id=copy, size_bytes=self.resource.size_bytes,
        )  # fmt: skip

    def restore(self, backup: Backup) -> Task:
        self.resource.refresh_from_db()
        backup.refresh_from_db()
        return self.allow_time(services.restore_backup(SYSTEM, backup))

    def delete(self, backup: Backup) -> Task:
        self.resource.refresh_from_db()
        backup.refresh_from_db()
        return self.allow_time(services.delete_backup(SYSTEM, backup))

    def allow_time(self, task: Task | None) -> Task:
        """The lab's clock runs ahead of ours: give the task its deadline by the lab's."""
        if task is None:
            raise AssertionError("no task")
        now = self.clock.now()
        # Its deadline counts from the moment it has a place: it is made to wait no time for one.
        Task.objects.filter(pk=task.pk).update(
            created_at=now, deadline_at=now + timedelta(hours=12), next_wake_at=now
        )
        task.refresh_from_db()
        return task

    def assert_in_order(self, content: str) -> None:
        """What holds after every end: power, content, nothing lost, doubled or left over."""
        assert not Task.objects.active().exists()
        assert self.resource.active_task() is None
        server = self.resource.external_id
        power = self.site.power(server)
        assert (power == "on") == self.was_on, "power state was not put back"
        assert self.site.contents(server) == [content], "the disk does not hold what it should"
        ready = Backup.objects.filter(resource=self.resource, status=Backup.Status.READY)
        wanted = {self.resource.external_id, *ready.values_list("external_id", flat=True)}
        assert self.site.everything() == wanted, "the cloud holds other things than it should"
        unsettled = Backup.objects.filter(
            resource=self.resource, status__in=[Backup.Status.CREATING, Backup.Status.DELETING]
        )
        assert not unsettled.exists()

    def content_of(self, backup: Backup) -> str:
        """Content of a backup's disk at the lab."""
        return self.site.contents(backup.external_id)[0]


_OPENERS: dict[str, Callable[[Lab, LabServer, Iterator[int]], Site]] = {
    Infrastructure.AHV: PrismSite,
    Infrastructure.AZURE: AzureSite,
}


def build(
    server: LabServer, lab: Lab, *, power: str = "on", kind: str = Infrastructure.AHV
) -> Scene:
    """Make a server at the lab and everything here that belongs to it."""
    number = next(_numbers)
    site = _OPENERS[kind](lab, server, itertools.count(number))
    external_id = site.add_server(["original"], power=power)
    connection = site.connection
    name = f"Customer {number}"
    customer = Customer.objects.create(name=name)
    organization = Organization.objects.create(customer=customer, name="Organization")
    cloud_account = CloudAccount.objects.create(
        customer=customer,
        name=CLUSTER,
        kind=kind,
        endpoint=connection.endpoint,
        secrets=dict(connection.secrets),
        ca_pem=connection.ca_pem,
        max_tasks=5,
    )
    account = Account.objects.create(
        organization=organization, name="Account", cloud_account=cloud_account,
        infrastructure=kind, site=site.place,
    )  # fmt: skip
    resource = Resource.objects.create(
        account=account,
        cloud_account=cloud_account,
        kind=Resource.Kind.SANDBOX,
        external_id=external_id,
        name=f"srv-{number}",
        power_state=power,
        size_bytes=40 * GIB,
    )
    clock = JumpClock(lab.clock.advance)
    clock.time = lab.clock.now()
    return Scene(site, lab, resource, power == "on", clock)

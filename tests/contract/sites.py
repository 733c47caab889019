"""The drivers under contract. A driver added later registers here, and is tested.

A `Site` is one cloud account at the lab as the suite sees it: what a person could do
there by hand. `SITES` maps a name to what opens one; a driver appears once per dialect
of its cloud.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from portal.clouds.api import Connection
from portal.lab import Fault, Lab, LabServer
from portal.lab.prism.model import DrSnapshot
from tests.contract.azure_site import azure
from tests.lab_fixtures import CLOUD_CALL, empty_lab

GIB = 2**30


class Site(Protocol):
    """One cloud account at its lab."""

    # How many disks of a server are backed up, its first ones.
    disks_kept: int
    # Whether a guest can be asked to shut down without its power being cut in the end.
    asks_guest_alone: bool
    # Where faults find the calls that switch on and that copy.
    power_path: str
    copy_path: str
    copy_method: str
    # Ids of a server and a copy that are not there.
    gone: str
    # Which of the cloud's places the servers are in, as an account names it.
    place: str
    gone_copy: str

    @property
    def connection(self) -> Connection: ...

    @property
    def wrong_secrets(self) -> dict[str, str]: ...

    def empty(self) -> None:
        """Remove everything, the faults and the log too."""

    def add_server(
        self, contents: Sequence[str], *, power: str = "off", shutdown_seconds: float | None = 20
    ) -> str:
        """Make a server with one disk per content, of different sizes; return its id."""

    def add_volume(self, name: str) -> str:
        """Make a volume of 10 GiB that is not attached; return its id."""

    def contents(self, thing_id: str) -> list[str]:
        """What the disks of a server or a copy hold, in order of their addresses."""

    def write(self, server_id: str, contents: Sequence[str]) -> None:
        """What the guest does to its disks."""

    def power(self, server_id: str) -> str:
        """Return on or off."""

    def everything(self) -> set[str]:
        """Ids of all servers and copies at the cloud, and of whatever a restore has left."""

    def add_copy(self, server_id: str, token: str) -> str:
        """Make what a backup with this token has left of a server; return its id."""

    def attach_volume(self, volume_id: str, server_id: str) -> str:
        """Attach a volume to a server; return the server's name."""

    def write_volume(self, volume_id: str, content: str) -> None:
        """What a guest does to a volume."""

    def calls(self) -> list[str]:
        """``METHOD path`` of each call since `empty`, in order."""

    def strike(self, fault: Fault) -> Fault:
        """Add a fault of the lab."""

    def fault_free(self) -> None:
        """Remove all faults."""

    def list_in_one(self) -> None:
        """Let lists come in one page, however long they are."""

    def advance(self, seconds: float) -> None:
        """Let the cloud's time pass."""


class PublishingSite(Site, Protocol):
    """A site whose guests can be told to run sysprep."""

    def guests_fail(self, reason: str) -> None:
        """Let sysprep fail in every guest from now on."""


CLUSTER = "ahv-lon-01"


@dataclass
class PrismSite:
    """One Prism Element of the lab, speaking one dialect."""

    lab: Lab
    server: LabServer
    numbers: Iterator[int]
    disks_kept: int = 2
    asks_guest_alone: bool = True
    power_path: str = "set_power_state"
    copy_path: str = "clone"
    copy_method: str = "POST"
    place: str = "ahv-lon-01"
    gone: str = "6a2a4f4e-6a0b-4d4e-9a55-0c8e5d8b9f11"
    gone_copy: str = gone

    @property
    def wrong_secrets(self) -> dict[str, str]:
        return {**self.connection.secrets, "password": "guess"}

    @property
    def connection(self) -> Connection:
        return Connection(
            kind="ahv",
            endpoint=self.server.urls[CLUSTER],
            secrets={
                "user": "admin",
                "password": "lab-password",
                "agent_endpoint": self.server.urls[CLUSTER],
                "agent_token": "lab-agent-token",
            },
            ca_pem=self.server.ca_pem,
            read_timeout=5.0,
        )

    def empty(self) -> None:
        empty_lab(self.lab)

    def add_server(
        self, contents: Sequence[str], *, power: str = "off", shutdown_seconds: float | None = 20
    ) -> str:
        vm = self.lab.clusters[CLUSTER].add_vm(
            f"server-{next(self.numbers)}",
            power=power,
            description="Runs the wards.",
            guest_shutdown_seconds=shutdown_seconds,
            disks=[(GIB * number, content) for number, content in enumerate(contents, 40)],
        )
        return str(vm.uuid)

    def add_volume(self, name: str) -> str:
        return str(self.lab.clusters[CLUSTER].add_volume_group(name, size_bytes=10 * GIB).uuid)

    def attach_volume(self, volume_id: str, server_id: str) -> str:
        cluster = self.lab.clusters[CLUSTER]
        cluster.volume_groups[volume_id].vms[server_id] = 0
        return str(cluster.vms[server_id].name)

    def write_volume(self, volume_id: str, content: str) -> None:
        self.lab.clusters[CLUSTER].volume_groups[volume_id].content = content

    def contents(self, thing_id: str) -> list[str]:
        cluster = self.lab.clusters[CLUSTER]
        if "/" in thing_id:
            (thing,) = self.snapshots()[thing_id].things
        else:
            thing = cluster.vms.get(thing_id) or cluster.volume_groups[thing_id]
        ordered = sorted(thing.disks, key=lambda disk: str(disk.address))
        return [str(disk.content) for disk in ordered]

    def snapshots(self) -> dict[str, DrSnapshot]:
        """The snapshots of protection domains, by the id of a copy."""
        domains = self.lab.clusters[CLUSTER].protection_domains.values()
        return {
            f"{domain.name}/{number}": snapshot
            for domain in domains
            for number, snapshot in domain.snapshots.items()
        }

    def write(self, server_id: str, contents: Sequence[str]) -> None:
        disks = self.lab.clusters[CLUSTER].vms[server_id].disks
        ordered = sorted(disks, key=lambda disk: str(disk.address))
        for disk, content in zip(ordered, contents, strict=True):
            disk.content = content

    def guests_fail(self, reason: str) -> None:
        guests = self.lab.clusters[CLUSTER].guests
        guests.sysprep, guests.detail = "fails", reason

    def power(self, server_id: str) -> str:
        return str(self.lab.clusters[CLUSTER].vms[server_id].power_state)

    def everything(self) -> set[str]:
        cluster = self.lab.clusters[CLUSTER]
        # The domain of a thing lasts; one that is made for a restore does not.
        domains = {name for name in cluster.protection_domains if "-pd-" not in name}
        return {*cluster.vms, *cluster.volume_groups, *self.snapshots(), *domains}

    def add_copy(self, server_id: str, token: str) -> str:
        disks = self.lab.clusters[CLUSTER].vms[server_id].disks
        copy = self.lab.clusters[CLUSTER].add_vm(
            f"standby-{token}", power="off", vcpus=2, memory_mb=8192,
            description="standby:v1 made for a test",
            disks=[(disk.size_bytes, disk.content) for disk in disks],
        )  # fmt: skip
        return str(copy.uuid)

    def calls(self) -> list[str]:
        return [f"{call.method} {call.path}" for call in self.lab.calls]

    def strike(self, fault: Fault) -> Fault:
        added = replace(fault, path=CLOUD_CALL) if fault.path == ".*" else fault
        self.lab.faults.add(added)
        return added

    def fault_free(self) -> None:
        self.lab.faults.clear()

    def list_in_one(self) -> None:
        """They always do."""

    def advance(self, seconds: float) -> None:
        self.lab.clock.advance(seconds)


def _prism(
    errors: str = "4xx", honours_clone_uuid: bool = True
) -> Callable[[Path], Iterator[Site]]:
    def open_site(directory: Path) -> Iterator[Site]:
        lab = Lab.empty()
        dialect = lab.clusters[CLUSTER].dialect
        dialect.errors = errors
        dialect.honours_clone_uuid = honours_clone_uuid
        dialect.volume_group_put_returns_task = honours_clone_uuid
        dialect.boolean_delete = "204" if honours_clone_uuid else "200"
        with LabServer(lab, directory=directory) as server:
            yield PrismSite(lab, server, itertools.count(1))

    return open_site


_OPENERS: dict[str, Callable[[Path], Iterator[Site]]] = {
    "ahv": _prism(),
    "ahv that answers 500 for what it does not know": _prism(errors="500"),
    "ahv that gives clones its own uuid": _prism(honours_clone_uuid=False),
    "ahv with both habits": _prism(errors="500", honours_clone_uuid=False),
    "azure": azure(),
    "azure with every habit": azure(is_odd=True),
}
SITES = tuple(_OPENERS)
# One of each driver at its plainest, one at its oddest: for tests that try very many cases.
EXTREMES = ("ahv", "ahv with both habits", "azure", "azure with every habit")
# Those of drivers that clone a server and generalize the clone.
PUBLISHING_SITES = EXTREMES


@contextmanager
def open_site(name: str, directory: Path) -> Iterator[Site]:
    """Start the lab of this driver and dialect."""
    yield from _OPENERS[name](directory)

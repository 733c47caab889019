"""The lab over real TLS on loopback: one server per module, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from portal.lab import Lab, LabServer


# The cloud's own paths; the lab's control paths carry this.
CLOUD_CALL = r"^(?!.*\.lab)"


@pytest.fixture(scope="session")
def lab_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the lab's CA lies; making one takes longer than most tests."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def _lab_and_server(lab_directory: Path) -> Iterator[tuple[Lab, LabServer]]:
    from portal.lab import Lab, LabServer  # only tests that use the lab pay for loading it

    lab = Lab.empty()
    with LabServer(lab, directory=lab_directory) as server:
        yield lab, server


@pytest.fixture
def lab(_lab_and_server: tuple[Lab, LabServer]) -> Lab:
    """Two clusters without machines, faults or log; the clock stands where it stood."""
    lab, _ = _lab_and_server
    empty_lab(lab)
    return lab


@pytest.fixture
def lab_server(_lab_and_server: tuple[Lab, LabServer], lab: Lab) -> LabServer:
    """The server of `lab`."""
    return _lab_and_server[1]


def empty_lab(lab: Lab) -> None:
    """Remove machines, groups, domains, disks, tasks, locks, limits, faults and the log.

    Roles and the secret are the default ones again; the dialects stay.
    """
    from portal.lab.azure import access, model

    lab.azure.access.secret, lab.azure.access.is_secret_expired = model.SECRET, False
    access.assign_default(lab.azure)
    lab.azure.locks.clear()
    lab.azure.limits = type(lab.azure.limits)()
    lab.azure.guests = type(lab.azure.guests)()
    lab.azure.nics.clear()
    lab.faults.clear()
    lab.calls.clear()
    for each in (lab.azure.vms, lab.azure.disks, lab.azure.snapshots, lab.azure.operations):
        each.clear()
    for cluster in lab.clusters.values():
        cluster.guests = type(cluster.guests)()
        cluster.identity.timezone = "UTC"
        for site in cluster.remote_sites.values():
            site.spec.clear()
        for held in (
            cluster.vms, cluster.volume_groups, cluster.tasks, cluster.protection_domains,
        ):  # fmt: skip
            held.clear()

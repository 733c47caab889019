"""The lab of a soak, in a process of its own, with what the plan says there is.

``python -m tests.soak.lab_host FOLDER MINUTES SEED ACCOUNTS RESOURCES SCALE`` says where it serves,
as one line of JSON; then writes its whole state to ``FOLDER/lab.sqlite3`` at each line it reads,
and says so, until its input ends.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from portal.lab import Lab, LabServer
from portal.lab.azure.limits import DEFAULT_QUOTAS
from portal.lab.azure.model import REGIONS
from portal.lab.replication_ports import open_ports
from portal.lab.store import Store
from tests.soak.plan import AHV, DESKTOP, LONDON, SERVERS, Desk, Options, Thing, desks

GIB = 2**30
SERVER_GIB, DESKTOP_GIB, VOLUME_GIB = 16, 8, 2
CAPACITY_BYTES = 10**16
STATE = "lab.sqlite3"
# The lab's own clock is fast. What a client relies on by its own, slow one must not be.
KEPT_SECONDS = 3600
# A quota is not what is tried here.
QUOTA = 10**6


def main(folder: Path, options: Options) -> None:
    """Serve until the input ends."""
    lab = Lab.empty()
    _allow(lab, options.scale)
    for desk in desks(options):
        for thing in desk.things:
            (_on_ahv if desk.infrastructure == AHV else _on_azure)(lab, desk, thing)
    addresses = [cluster.identity.address for cluster in lab.clusters.values()]
    with open_ports(addresses), LabServer(lab, directory=folder) as server:
        lab.clock.scale = options.scale
        print(json.dumps({"urls": server.urls, "ca": str(server.ca_path)}), flush=True)
        for _ in sys.stdin:
            _save(lab, folder / STATE)
            print("saved", flush=True)


def _allow(lab: Lab, scale: float) -> None:
    for cluster in lab.clusters.values():
        cluster.timing.task_kept_seconds = KEPT_SECONDS * scale
        cluster.timing.aborted_shown_seconds *= scale
        for container in cluster.containers.values():
            container.capacity_bytes = CAPACITY_BYTES
    lab.azure.timing.operation_kept_seconds = KEPT_SECONDS * scale
    lab.azure.access.token_seconds = int(KEPT_SECONDS * scale)
    for region in REGIONS:
        lab.azure.limits.quotas[region] = dict.fromkeys(DEFAULT_QUOTAS, QUOTA)


def _on_ahv(lab: Lab, desk: Desk, thing: Thing) -> None:
    london = lab.clusters[LONDON]
    said = None
    if thing.kind not in SERVERS:
        kind = thing.kind.replace("_", "-")
        said = f"frame: kind={kind} user={thing.user} account={desk.id}"
    content = f"{thing.name}#0"
    if thing.kind in (*SERVERS, DESKTOP):
        size = DESKTOP_GIB if thing.kind == DESKTOP else SERVER_GIB
        london.add_vm(
            thing.name, power="on" if thing.is_on else "off", vcpus=2, memory_mb=8192,
            size_bytes=size * GIB, content=content, description=said,
        )  # fmt: skip
    else:
        london.add_volume_group(
            thing.name, size_bytes=VOLUME_GIB * GIB, content=content, description=said
        )


def _on_azure(lab: Lab, desk: Desk, thing: Thing) -> None:
    content = f"{thing.name}#0"
    tags = {"frame-account": str(desk.id)}
    if thing.kind not in SERVERS:
        tags |= {"frame-kind": thing.kind.replace("_", "-"), "frame-user": thing.user}
    if thing.kind in (*SERVERS, DESKTOP):
        lab.azure.add_vm(
            thing.name, power="running" if thing.is_on else "deallocated",
            size="Standard_D4s_v5", content=content, tags=tags,
            size_gb=DESKTOP_GIB if thing.kind == DESKTOP else SERVER_GIB,
        )  # fmt: skip
    else:
        lab.azure.add_disk(thing.name, size_gb=VOLUME_GIB, content=content, tags=tags)


def _save(lab: Lab, file: Path) -> None:
    with lab.lock:
        lab.settle()
        lab.azure.advance_copies()
        store = Store(file)
        store.save(lab)
        store.close()


if __name__ == "__main__":
    folder, minutes, seed, accounts, resources, scale = sys.argv[1:]
    main(
        Path(folder),
        Options(float(minutes), int(seed), int(accounts), int(resources), scale=float(scale)),
    )

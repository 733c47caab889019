"""What the clusters hold at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.lab.prism import PrismCluster
from portal.lab.prism.domains import enlist
from portal.lab.prism.model import (
    GIB,
    Container,
    Host,
    Member,
    Network,
    ProtectionDomain,
    RemoteSite,
    new_uuid,
)
from portal.lab.prism.protection import GROUP

if TYPE_CHECKING:
    from portal.lab.lab import Lab

LONDON, DUBLIN = "ahv-lon-01", "ahv-dub-02"
# Of this machine, so that the ports of replication can be knocked at.
ADDRESSES = {LONDON: "127.10.1.50", DUBLIN: "127.20.1.50"}
TIMEZONES = {LONDON: "Europe/London", DUBLIN: "Europe/Dublin"}
DEFAULT_CONTAINERS = {LONDON: "default-container-77107", DUBLIN: "storage-container-112133"}
SHARED_CONTAINER = "SelfServiceContainer"
# Snapshots are numbered from here, so that those of two clusters are told apart.
FIRST_SNAPSHOTS = {LONDON: 34000, DUBLIN: 71000}
REPLICATION_PORT = 2020


def fill_empty(lab: Lab) -> None:
    """Hosts, containers, networks, and each other's remote site."""
    for name, cluster in lab.clusters.items():
        _furnish(name, cluster)
    _pair(lab.clusters[LONDON], lab.clusters[DUBLIN])
    _pair(lab.clusters[DUBLIN], lab.clusters[LONDON])


def _furnish(name: str, cluster: PrismCluster) -> None:
    cluster.identity.address = ADDRESSES[name]
    cluster.identity.timezone = TIMEZONES[name]
    cluster.counters.snapshot = FIRST_SNAPSHOTS[name]
    # Both clusters come from one vendor, yet no two MAC addresses may be equal.
    cluster.counters.mac = FIRST_SNAPSHOTS[name]
    for container in (SHARED_CONTAINER, DEFAULT_CONTAINERS[name]):
        made = Container(new_uuid(), container)
        cluster.containers[made.uuid] = made
    subnet = ADDRESSES[name].rpartition(".")[0]
    for number in (1, 2, 3):
        host = Host(new_uuid(), f"{name}-node-{number}", f"{subnet}.{number}")
        cluster.hosts[host.uuid] = host
    for vlan in (110, 120):
        network = Network(new_uuid(), f"vlan-{vlan}", vlan)
        cluster.networks[network.uuid] = network


def _pair(cluster: PrismCluster, other: PrismCluster) -> None:
    containers = {
        SHARED_CONTAINER: SHARED_CONTAINER,
        DEFAULT_CONTAINERS[cluster.name]: DEFAULT_CONTAINERS[other.name],
    }
    cluster.remote_sites[other.name] = RemoteSite(
        other.name,
        new_uuid(),
        {other.identity.address: REPLICATION_PORT},
        containers,
        networks={network.name: network.name for network in cluster.networks.values()},
    )


# The demo: Meridian Health's machines in London

# name, power, vCPU, memory in GiB, disk in GiB
SERVERS = (
    ("radiology-pacs-sandbox", "on", 4, 16, 80),
    ("util-dicom-01", "on", 8, 32, 120),
    ("util-license-01", "on", 2, 8, 60),
    ("util-files-01", "off", 4, 16, 100),
)
PRODUCTION = (
    ("radiology-pacs-prod-01", "on", 4, 16, 80),
    ("radiology-pacs-prod-02", "on", 4, 16, 80),
    ("radiology-pacs-prod-03", "off", 4, 16, 80),
)
# name, user, power
DESKTOPS = (
    ("pd-0388", "sofia.lindqvist", "on"),
    ("pd-0402", "kwame.osei", "off"),
    ("pd-0417", "michael.okafor", "on"),
    ("pd-0431", "priya.raman", "off"),
    # Of nobody yet.
    ("pd-0446", "", "off"),
)
PROFILES = (
    ("EP-s.lindqvist", "sofia.lindqvist"),
    ("EP-k.osei", "kwame.osei"),
    ("EP-m.okafor", "michael.okafor"),
    ("EP-p.raman", "priya.raman"),
)
DRIVES = (
    ("PDR-s.lindqvist", "sofia.lindqvist"),
    ("PDR-k.osei", "kwame.osei"),
    ("PDR-m.okafor", "michael.okafor"),
    ("PDR-a.nwosu", "amara.nwosu"),
)
# Who is in a session holds both, at this machine.
IN_SESSION = {"sofia.lindqvist": "pd-0388"}
# What another product protects already; Standby must say so and leave it alone.
FOREIGN_DOMAIN, FOREIGN = "gold-nightly", "EP-p.raman"
PROFILE_GIB, DRIVE_GIB, DESKTOP_GIB = 30, 50, 60


def fill_demo(lab: Lab) -> None:
    """The demo's inventory: Radiology PACS in London, Research VDI in Azure's westeurope."""
    fill_empty(lab)
    london = lab.clusters[LONDON]
    for machines, description in ((SERVERS, None), (PRODUCTION, "frame: kind=production")):
        for name, power, vcpus, memory, disk in machines:
            london.add_vm(
                name, power=power, vcpus=vcpus, memory_mb=memory * 1024, size_bytes=disk * GIB,
                description=description,
            )  # fmt: skip
    for name, user, power in DESKTOPS:
        london.add_vm(
            name, power=power, vcpus=2, memory_mb=8192, size_bytes=DESKTOP_GIB * GIB,
            description=_assigned("persistent-desktop", user),
        )  # fmt: skip
    _fill_groups(london)
    _fill_azure(lab)


def _fill_groups(london: PrismCluster) -> None:
    uuids = {vm.name: vm.uuid for vm in london.vms.values()}
    groups = [(name, "enterprise-profile", user, PROFILE_GIB) for name, user in PROFILES]
    groups += [(name, "personal-drive", user, DRIVE_GIB) for name, user in DRIVES]
    for name, kind, user, size in groups:
        held_by = uuids.get(IN_SESSION.get(user, ""))
        group = london.add_volume_group(
            name, size_bytes=size * GIB, description=_assigned(kind, user), attached_to=held_by
        )
        if name == FOREIGN:
            domain = ProtectionDomain(FOREIGN_DOMAIN)
            london.protection_domains[domain.name] = domain
            enlist(london, domain, [Member(GROUP, group.uuid, group.name, group.name)])


# name, power, size, disk in GB
AZURE_SERVERS = (
    ("research-vdi-sandbox", "running", "Standard_D4s_v5", 128),
    ("util-matlab-01", "running", "Standard_D8s_v5", 256),
    ("util-license-02", "deallocated", "Standard_B2ms", 64),
)
AZURE_PRODUCTION = ("research-vdi-prod-01", "research-vdi-prod-02")
AZURE_DESKTOPS = (
    ("pd-1102", "ines.moreau", "running"),
    ("pd-1103", "jonas.weber", "deallocated"),
    ("pd-1107", "aiko.tanaka", "running"),
)
AZURE_IN_SESSION = {"PDR-i.moreau": "pd-1102"}
AZURE_VOLUMES = (
    ("EP-i.moreau", "enterprise-profile", "ines.moreau", 30),
    ("EP-j.weber", "enterprise-profile", "jonas.weber", 30),
    ("EP-a.tanaka", "enterprise-profile", "aiko.tanaka", 30),
    ("EP-l.santos", "enterprise-profile", "luisa.santos", 30),
    ("PDR-i.moreau", "personal-drive", "ines.moreau", 64),
    ("PDR-j.weber", "personal-drive", "jonas.weber", 64),
    ("PDR-l.santos", "personal-drive", "luisa.santos", 128),
)


def _fill_azure(lab: Lab) -> None:
    for name, power, vm_size, disk in AZURE_SERVERS:
        lab.azure.add_vm(name, power=power, size=vm_size, size_gb=disk)
    for name in AZURE_PRODUCTION:
        lab.azure.add_vm(name, size_gb=128, tags={"frame-kind": "production"})
    ids = {}
    for name, user, power in AZURE_DESKTOPS:
        tags = _tags("persistent-desktop", user)
        ids[name] = lab.azure.add_vm(name, power=power, size_gb=64, tags=tags).id
    for name, kind, user, size in AZURE_VOLUMES:
        held_by = ids.get(AZURE_IN_SESSION.get(name, ""), "")
        lab.azure.add_disk(name, size_gb=size, tags=_tags(kind, user), attached_to=held_by)


def _tags(kind: str, user: str) -> dict[str, str]:
    return {"frame-kind": kind, "frame-user": f"{user}@meridian.example"}


def _assigned(kind: str, user: str) -> str:
    """The line by which the desktop platform says what a thing is and whose."""
    whose = f" user={user}@meridian.example" if user else ""
    return f"frame: kind={kind}{whose}"

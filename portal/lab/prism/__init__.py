"""Prism Element: REST API v2.0, and the few calls of v1 and v3 that go with it.

Each module registers its routes and the actions of its tasks when it is imported here.
"""

from portal.lab.prism import (
    clones,
    disks,
    dr_snapshots,
    failover,
    guests,
    power,
    protection,
    remote_sites,
    replications,
    restore,
    schedules,
    snapshots,
    system,
    tasks,
    vms,
    volume_groups,
)
from portal.lab.prism.cluster import V1, V2, V3, PrismCluster

__all__ = [
    "V1", "V2", "V3", "PrismCluster", "clones", "disks", "dr_snapshots", "failover", "guests",
    "power", "protection", "remote_sites", "replications", "restore", "schedules", "snapshots",
    "system", "tasks", "vms", "volume_groups",
]  # fmt: skip

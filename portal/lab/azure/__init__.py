"""Azure: Resource Manager for compute, and the token endpoint, as far as backup needs them.

Each module registers its routes and the steps of its operations when it is imported here.
"""

from portal.lab.azure.cloud import AzureCloud

from portal.lab.azure import (  # isort: skip
    control_rules,
    disks,
    guests,
    limits,
    network,
    operations,
    power,
    skus,
    snapshots,
    system,
    tokens,
    vms,
)

__all__ = [
    "AzureCloud", "control_rules", "disks", "guests", "limits", "network", "operations", "power",
    "skus", "snapshots", "system", "tokens", "vms",
]  # fmt: skip

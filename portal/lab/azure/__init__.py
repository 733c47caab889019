"""Azure: Resource Manager for compute, and the token endpoint, as far as backup needs them.

Each module registers its routes and the steps of its operations when it is imported here.
"""

from portal.lab.azure.cloud import AzureCloud

from portal.lab.azure import (  # isort: skip
    disks,
    limits,
    operations,
    power,
    snapshots,
    system,
    tokens,
    vms,
)

__all__ = [
    "AzureCloud", "disks", "limits", "operations", "power", "snapshots", "system", "tokens", "vms",
]  # fmt: skip

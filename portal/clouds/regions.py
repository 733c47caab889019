"""Names of Azure's public regions, for choosing one before anything is asked of the cloud.

Whether a subscription may use a region is told by the cloud alone (`TransferCloud.site_facts`).
"""

from __future__ import annotations

AZURE_REGIONS = (
    "australiaeast", "australiasoutheast", "brazilsouth", "canadacentral", "canadaeast",
    "centralindia", "centralus", "eastasia", "eastus", "eastus2", "francecentral",
    "germanywestcentral", "italynorth", "japaneast", "japanwest", "koreacentral", "koreasouth",
    "northcentralus", "northeurope", "norwayeast", "polandcentral", "qatarcentral",
    "southafricanorth", "southcentralus", "southeastasia", "southindia", "spaincentral",
    "swedencentral", "switzerlandnorth", "switzerlandwest", "uaenorth", "uksouth", "ukwest",
    "westcentralus", "westeurope", "westindia", "westus", "westus2", "westus3",
)  # fmt: skip

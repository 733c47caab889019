"""The tables of routes, filled by the modules beside this one. Fixed segments in lower case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.lab.routing import Routes

if TYPE_CHECKING:
    from portal.lab.azure.cloud import AzureCloud

ARM: Routes[AzureCloud] = Routes()
TOKENS: Routes[AzureCloud] = Routes()

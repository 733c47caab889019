"""What the control API can do to the emulated Azure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.lab.control import change, common_routes
from portal.lab.routing import Answer, Request, Routes

if TYPE_CHECKING:
    from portal.lab.azure.cloud import AzureCloud

CONTROL: Routes[AzureCloud] = common_routes()


@CONTROL("POST", "/dialect")
def dialect_set(cloud: AzureCloud, request: Request) -> Answer:
    return change(cloud.dialect, request)


@CONTROL("POST", "/timing")
def timing_set(cloud: AzureCloud, request: Request) -> Answer:
    return change(cloud.timing, request)

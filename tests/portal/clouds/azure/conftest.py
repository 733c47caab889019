"""A driver at the emulated Azure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from portal.clouds.azure.driver import AzureCloud
from portal.lab import Lab, LabServer
from tests.contract.azure_site import AzureSite


@pytest.fixture
def site(lab: Lab, lab_server: LabServer) -> AzureSite:
    return AzureSite(lab, lab_server, iter(range(1, 1000)))


@pytest.fixture
def azure(site: AzureSite) -> Iterator[AzureCloud]:
    cloud = AzureCloud(site.connection)
    yield cloud
    cloud.close()

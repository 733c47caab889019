"""A site of each driver, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from portal.clouds.api import Cloud
from tests.contract.carrying import connected
from tests.contract.sites import SITES, Site, open_site


@pytest.fixture(scope="module", params=SITES)
def _site(request: pytest.FixtureRequest, lab_directory: Path) -> Iterator[Site]:
    with open_site(request.param, lab_directory) as site:
        yield site


@pytest.fixture
def site(_site: Site) -> Site:
    """The cloud account, emptied."""
    _site.empty()
    return _site


@pytest.fixture
def cloud(site: Site) -> Iterator[Cloud]:
    with connected(site.connection) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def other_ca() -> str:
    """PEM of a CA that signed nothing at the lab."""
    return trustme.CA().cert_pem.bytes().decode()

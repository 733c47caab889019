"""The API's description is true: what schemathesis makes of it finds no failure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from django.conf import LazySettings
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from schemathesis.config import SchemathesisConfig

from portal.audit import SYSTEM
from portal.uuids import as_uuid
from portal.wsgi import application
from reporting import api_keys
from reporting.api import api
from reporting.api.document import document
from tests.factories import BackupFactory
from tests.people import World

pytestmark = pytest.mark.django_db
# The everyday run takes a few examples of each operation; the whole one many, and what is made
# systematically of every boundary of the description besides.
IS_WHOLE = os.environ.get("STANDBY_MATRIX") == "all"
EXAMPLES = 100 if IS_WHOLE else 8
CONFIG = {
    "seed": 1,
    "generation": {"deterministic": True, "database": "none"},
    "phases": {"coverage": {"enabled": IS_WHOLE}},
}
schema = schemathesis.openapi.from_dict(document(api), config=SchemathesisConfig.from_dict(CONFIG))
schema.app = application


@pytest.fixture
def one_connection() -> Iterator[None]:
    """The end of a request closes no connection: the test's transaction is on it.

    Django's own test client does the same.
    """
    ends = (request_started, request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield
    for signal in ends:
        signal.connect(close_old_connections)


@pytest.fixture
def known(world: World) -> dict[str, UUID]:
    """What the ids in addresses stand for."""
    backup = BackupFactory(resource=world.sandbox)
    return {
        "account": world.account.pk,
        "resource": world.utility_server.pk,
        "backup": backup.pk,
        "task": backup.task_id,
    }


@pytest.fixture
def headers(world: World, settings: LazySettings, one_connection: None) -> dict[str, str]:
    settings.API_REQUESTS_A_MINUTE = 1_000_000
    role = "customer_administrator"
    _, token = api_keys.create(SYSTEM, world.customer, name="Tester", role=role)
    return {"Authorization": f"Bearer {token}"}


@schema.parametrize()
@hypothesis_settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_operation_does_what_the_description_says(
    case: Any, headers: dict[str, str], known: dict[str, UUID]
) -> None:
    for name, value in case.path_parameters.items():
        if name in known and as_uuid(str(value)):
            case.path_parameters[name] = str(known[name])
    case.call_and_validate(headers=headers)

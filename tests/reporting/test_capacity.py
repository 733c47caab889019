"""Elasticity: the account's own machines by the inventory, pools as the session broker tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portal.audit import SYSTEM
from portal.engine import clock
from portal.models import CloudAccount, Resource
from reporting import api_keys
from reporting.figures.capacity import sample_machines
from reporting.models import ElasticitySample, Session
from reporting.models.api_keys import SESSION_BROKER
from tests.clock import JumpClock
from tests.factories import ResourceFactory
from tests.people import World

pytestmark = pytest.mark.usefixtures("periods")
CAPACITY = "/api/v1/sessions/capacity"
NOW = datetime(2026, 3, 2, 10, 20, tzinfo=UTC)
DESKTOP = Resource.Kind.PERSISTENT_DESKTOP


def look(at: datetime, *, age: timedelta = timedelta(0)) -> None:
    """A minute's tick; the inventory was read so long ago."""
    CloudAccount.objects.update(synced_at=at - age)
    stopped = JumpClock()
    stopped.time = at
    with clock.using(stopped):
        sample_machines()


def live(world: World, session: str, **facts: Any) -> Session:
    made: Session = Session.objects.create(
        account=world.account, session_id=session, user_name=session, started_at=NOW, **facts
    )
    return made


def test_own_machines_are_counted_by_kind_and_size_each_quarter(world: World) -> None:
    desks = [
        ResourceFactory(account=world.account, kind=DESKTOP, power_state=state, vcpus=2)
        for state in ("on", "on", "off", "on")
    ]
    ResourceFactory(account=world.account, kind=DESKTOP, is_missing=True, vcpus=2)
    ResourceFactory(account=world.account, kind=DESKTOP, vcpus=8)
    live(world, "a", resource=desks[0])
    live(world, "b", resource=desks[0])
    live(world, "c", resource=desks[1], state="closed", ended_at=NOW)
    look(NOW)
    look(NOW + timedelta(minutes=9))
    found = ElasticitySample.objects.filter(pool="Persistent Desktops").order_by("instance_type")
    assert [
        (x.instance_type, x.running, x.in_session, x.available, x.stopped, x.starting)
        for x in found
    ] == [("AHV 2 vCPU · 16 GB", 3, 1, 2, 1, 0), ("AHV 8 vCPU · 16 GB", 1, 0, 1, 0, 0)]
    assert set(ElasticitySample.objects.values_list("pool", flat=True)) == {
        "Sandbox", "Utility Servers", "Persistent Desktops",
    }  # fmt: skip
    first = found[0]
    assert first.at == NOW.replace(minute=15)
    assert (first.min_servers, first.buffer_servers, first.max_servers) == (None, None, None)
    look(NOW + timedelta(minutes=10))
    assert ElasticitySample.objects.filter(at=NOW.replace(minute=30)).count() == 4


def test_an_old_inventory_is_a_gap(world: World) -> None:
    look(NOW, age=timedelta(minutes=61))
    assert not ElasticitySample.objects.exists()


def test_most_minutes_there_is_one_question(world: World, elsewhere: World) -> None:
    look(NOW)
    with CaptureQueriesContext(connection) as queries:
        look(NOW + timedelta(minutes=1))
    assert len(queries) == 2  # the test's own among them


@pytest.fixture
def token(world: World) -> str:
    _, token = api_keys.create(SYSTEM, world.account, name="Broker", role=SESSION_BROKER)
    return token


def pool(**more: Any) -> dict[str, Any]:
    return {
        "pool": "Office", "instance_type": "Air", "min_servers": 2, "buffer_servers": 1,
        "max_servers": 10, "running": 4, "starting": 1, "stopped": 5, "waiting_users": 0, **more,
    }  # fmt: skip


def tell(token: str, world: World, *pools: dict[str, Any], **more: Any) -> Any:
    body = {"account": str(world.account.pk), "at": NOW.isoformat(), "pools": list(pools), **more}
    stopped = JumpClock()
    stopped.time = NOW + timedelta(minutes=1)
    with clock.using(stopped):
        return Client(enforce_csrf_checks=True).post(
            CAPACITY, json.dumps(body), content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip


def test_pools_are_kept_as_the_broker_tells_and_sessions_added(world: World, token: str) -> None:
    for session, facts in (("a", {"pool": "Office", "instance_type": "Air"}),
                           ("b", {"pool": "Office", "instance_type": "Pro"}),
                           ("c", {"pool": "Office", "instance_type": "Air"})):  # fmt: skip
        live(world, session, **facts)
    answer = tell(token, world, pool(), pool(instance_type="Pro", running=0))
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"at": "2026-03-02T10:15:00.000000Z", "recorded": 2}
    air, pro = ElasticitySample.objects.order_by("instance_type")
    assert (air.running, air.in_session, air.available, air.max_servers) == (4, 2, 2, 10)
    assert (pro.running, pro.in_session, pro.available) == (0, 1, 0)


def test_told_again_for_the_same_quarter_replaces(world: World, token: str) -> None:
    tell(token, world, pool())
    later = (NOW + timedelta(minutes=5)).isoformat()
    assert tell(token, world, pool(running=6, waiting_users=3), at=later).status_code == 200
    sample = ElasticitySample.objects.get()
    assert (sample.running, sample.waiting_users, sample.at.minute) == (6, 3, 15)


@pytest.mark.parametrize(
    ("status", "said", "change"),
    [
        (409, "future", {"at": (NOW + timedelta(hours=1)).isoformat()}),
        (409, "too long ago", {"at": "2025-12-02T10:20:59Z"}),
        (409, "twice", {"pools": [pool(), pool(running=1)]}),
        (422, "pools", {"pools": []}),
        (422, "running", {"pools": [pool(running=-1)]}),
        (422, "speed", {"pools": [pool(speed=3)]}),
        (404, "no such account", {"account": str(uuid4())}),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(
    world: World, token: str, status: int, said: str, change: dict[str, Any]
) -> None:
    answer = tell(token, world, pool(), **change)
    assert answer.status_code == status, answer.text
    assert said in answer.text
    assert not ElasticitySample.objects.exists()


def test_only_a_broker_of_the_account_may_tell(world: World, elsewhere: World) -> None:
    _, reader = api_keys.create(SYSTEM, world.account, name="Reader", role="auditor")
    _, other = api_keys.create(SYSTEM, elsewhere.account, name="Other", role=SESSION_BROKER)
    assert tell(reader, world, pool()).status_code == 403
    assert tell(other, world, pool()).status_code == 404
    assert tell("wrong", world, pool()).status_code == 401

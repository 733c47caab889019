"""The lab's session broker: it plays users at both clouds, and tells the portal by its API."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from portal.audit import SYSTEM
from portal.lab import Lab, LabServer
from portal.lab.broker import Broker, broker_of
from portal.models import Task
from reporting import api_keys
from reporting.models import ElasticitySample, Session, SessionEvent
from reporting.models.api_keys import SESSION_BROKER
from tests.factories import ResourceFactory, TaskFactory
from tests.people import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime.now(UTC) - timedelta(days=7)
SOFIA = "sofia.lindqvist@meridian.example"


@pytest.fixture
def radiology(transactional_db: None) -> World:
    return make_world("Meridian")


@pytest.fixture
def lab() -> Lab:
    return Lab.demo()


@pytest.fixture
def lab_server(lab: Lab, lab_directory: Path) -> Iterator[LabServer]:
    with LabServer(lab, directory=lab_directory) as server:
        yield server


@pytest.fixture
def broker(
    radiology: World, lab_server: LabServer, live_server: LiveServer, tmp_path: Path
) -> Broker:
    _, token = api_keys.create(SYSTEM, radiology.customer, name="Lab", role=SESSION_BROKER)
    desks = [
        {"account": str(radiology.account.pk), "cloud": lab_server.urls[name], "is_azure": azure}
        for name, azure in (("ahv-lon-01", False), ("azure", True))
    ]
    settings = {
        "url": live_server.url, "token": token, "ca": str(lab_server.ca_path), "desks": desks,
    }  # fmt: skip
    path = tmp_path / "broker.json"
    path.write_text(json.dumps(settings))
    return broker_of(path, tmp_path / "sessions.json", random.Random(7))  # noqa: S311


def test_users_come_work_leave_and_hold_their_volumes(broker: Broker, lab: Lab) -> None:
    said = [broker.step(NOW + timedelta(minutes=n)) for n in range(60)]
    told = Counter(SessionEvent.objects.values_list("type", flat=True))
    assert set(told) == {"started", "disconnected", "reconnected", "closed"}, said
    live = set(Session.objects.live().values_list("user_name", flat=True))
    assert live == set(broker.sessions)
    london = lab.clusters["ahv-lon-01"]
    groups = [(str(g.description), g.vms) for g in london.volume_groups.values()]
    theirs = {said.partition("user=")[2] for said, _ in groups}
    held = {said.partition("user=")[2] for said, vms in groups if vms}
    assert live & theirs <= held


def test_who_finds_their_volume_busy_waits_and_attaches_nothing(
    broker: Broker, radiology: World, lab: Lab
) -> None:
    london = lab.clusters["ahv-lon-01"]
    for group in london.volume_groups.values():
        group.vms = {}
    for n, person in enumerate({p.name for desk in broker._desks for p in desk.cloud.people()}):
        volume = ResourceFactory(
            account=radiology.account, kind="enterprise_profile", name=f"EP-{n}", user_name=person
        )
        TaskFactory(
            account=radiology.account, resource=volume, is_exclusive=True,
            state=Task.State.RUNNING, kind="create_volume_backup", args={"type": "D"},
        )  # fmt: skip
    assert all("waits" in broker.step(NOW) for _ in range(10))
    assert not any(group.vms for group in london.volume_groups.values())
    assert not Session.objects.exists()


def test_it_tells_of_its_pools_and_who_works_there(broker: Broker, lab: Lab) -> None:
    said = [broker.step(NOW + timedelta(minutes=n)) for n in range(45)]
    samples = ElasticitySample.objects.order_by("at", "pool")
    assert set(samples.values_list("pool", "instance_type", "running", "stopped")) == {
        ("radiology-pacs-prod", "AHV 4 vCPU · 16 GB", 2, 1),
        ("research-vdi-prod", "Standard_D2s_v5", 2, 0),
    }
    assert len(set(samples.values_list("at", flat=True))) in {3, 4}
    assert set(Session.objects.exclude(pool="").values_list("pool", "instance_type")) <= set(
        samples.values_list("pool", "instance_type")
    )
    assert any(each.in_session for each in samples), said

"""Users at work: sessions told to the portal by its API, volumes attached, disks written to.

What the platform does to a volume, it does at the lab: attaches one that the portal says is free
before a session, and takes most off after it. The disks of whatever is at rest are written to.
"""

from __future__ import annotations

import random
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from tests.soak.clock import Clock
from tests.soak.plan import AHV, DESKTOP, DRIVE, LONDON, PROFILE, SANDBOX, Desk
from tests.soak.traffic import Traffic
from tests.soak.world import World

PACE_SECONDS = 0.7
CLOSINGS = ("logged_out", "closed_by_user", "inactivity")


@dataclass
class Session:
    """One that is live, of one user at one machine."""

    id: str
    desk: Desk
    user: str
    machine: str


@dataclass
class Broker:
    """``contents`` has what each thing held, by its name, with the time, oldest first."""

    world: World
    clock: Clock
    traffic: Traffic
    rng: random.Random
    sessions: dict[str, Session] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    contents: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._http, self._lab = requests.Session(), requests.Session()
        self._http.trust_env = self._lab.trust_env = False
        self._http.headers["Authorization"] = f"Bearer {self.world.token}"
        self._lab.verify = str(self.world.lab.ca)
        self._writes = 0

    def thread(self) -> threading.Thread:
        return threading.Thread(target=self._live, daemon=True)

    def _live(self) -> None:
        from django.db import Error, close_old_connections, connection

        while self.clock.sleep_until(self.clock.now() + PACE_SECONDS):
            try:
                close_old_connections()
                self._step()
            except (requests.RequestException, Error):
                # What is not there at the moment is tried again.
                connection.close()
        connection.close()

    def _step(self) -> None:
        act = self.rng.random()
        if act < 0.3:
            self._write()
        elif act < 0.65 or not self.sessions:
            self._come()
        elif act < 0.75:
            session = self.rng.choice(list(self.sessions.values()))
            self._tell(session, "disconnected")
            self._tell(session, "reconnected")
        else:
            self._leave(self.rng.choice(list(self.sessions.values())))

    # Sessions

    def _come(self) -> None:
        desk = self.rng.choice(self.world.desks)
        users = sorted({thing.user for thing in desk.things if thing.user})
        if not users:
            return
        user = self.rng.choice(users)
        if user in self.sessions:
            return
        asked = {"account": str(desk.id), "user": user}
        answer = self._post("/api/v1/sessions/attach", asked)
        if not answer["is_free"]:
            self._count("waits")
            return
        machine = self._machine_of(desk, user)
        for volume in self._volumes_of(desk, user):
            self._attach(desk, volume, machine)
        session = Session(uuid.UUID(int=self.rng.getrandbits(128)).hex, desk, user, machine)
        self.sessions[user] = session
        self._tell(session, "started")

    def _leave(self, session: Session) -> None:
        # Gone whether the portal hears of it or not: it is told again under the same id if not.
        self._tell(session, "closed", close_reason=self.rng.choice(CLOSINGS))
        del self.sessions[session.user]

    def _machine_of(self, desk: Desk, user: str) -> str:
        from portal.models import Resource

        mine = Resource.objects.filter(account=desk.id, is_missing=False)
        own = mine.filter(kind=DESKTOP, user_name=user).first()
        return (own or mine.get(kind=SANDBOX)).external_id

    def _volumes_of(self, desk: Desk, user: str) -> list[str]:
        from portal.models import Resource

        mine = Resource.objects.filter(account=desk.id, user_name=user, is_missing=False)
        return list(mine.filter(kind__in=(PROFILE, DRIVE)).values_list("external_id", flat=True))

    def _attach(self, desk: Desk, volume: str, machine: str | None) -> None:
        key = volume.rpartition("/")[2]
        things = "volume_groups" if desk.infrastructure == AHV else "disks"
        self._at_lab(desk, f"/{things}/{key}/attach", {"vm": machine})

    def _tell(self, session: Session, type_: str, **more: str) -> None:
        event = {
            "event_id": uuid.UUID(int=self.rng.getrandbits(128)).hex,
            "type": type_,
            "account": str(session.desk.id),
            "session_id": session.id,
            "occurred_at": datetime.now(UTC).isoformat(),
            "user": {"name": session.user, "email": session.user},
            "machine": {"id": session.machine, "name": ""},
            **more,
        }
        # A quarter of them comes twice.
        for _ in range(2 if self.rng.random() < 0.25 else 1):
            (outcome,) = self._post("/api/v1/sessions/events", {"events": [event]})["outcomes"]
            self._count(f"{type_} {outcome['status']}")

    # Writing

    def _write(self) -> None:
        """What a guest does to one thing, unless a task is changing what the thing is."""
        from portal.models import Resource, Task

        desk = self.rng.choice(self.world.desks)
        thing = self.rng.choice(desk.things)
        resource = Resource.objects.filter(account=desk.id, name=thing.name).first()
        if resource is None or Task.objects.active().filter(resource=resource).exists():
            return
        self._writes += 1
        content = f"{thing.name}#{self._writes}"
        key, is_volume = resource.external_id, thing.kind in (PROFILE, DRIVE)
        if desk.infrastructure == AHV:
            things = "volume_groups" if is_volume else "vms"
            address = f"/{things}/{key}/disks/{'vg' if is_volume else 'scsi'}.0/content"
        else:
            things = "disks" if is_volume else "vms"
            address = f"/{things}/{key.rpartition('/')[2]}/content"
        if self._at_lab(desk, address, {"content": content}):
            self.contents.setdefault(thing.name, []).append((datetime.now(UTC), content))

    def _at_lab(self, desk: Desk, path: str, body: dict[str, Any]) -> bool:
        place = LONDON if desk.infrastructure == AHV else "azure"
        url = f"{self.world.lab.urls[place]}/.lab{path}"
        answer = self._lab.post(url, json=body, timeout=30)
        self._count(f"at the lab {answer.status_code}")
        return answer.ok

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._traffic_send(path, body)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _traffic_send(self, path: str, body: dict[str, Any]) -> requests.Response:
        return self.traffic.send(self._http, "POST", self.world.url + path, json=body)

    def _count(self, what: str) -> None:
        self.told[what] = self.told.get(what, 0) + 1

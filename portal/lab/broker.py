"""python -m portal.lab.broker: users at work, as the session broker of a desktop platform tells.

It knows the lab's machines and volumes by the lab's control API, attaches and detaches volumes
there, and tells the portal by its API, with a key, what happens to sessions. It imports nothing
of the product.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

Json = dict[str, Any]
TIMEOUT = 30
_ASSIGNED = re.compile(r"^frame: kind=(\S+)(?: user=(\S+))?$")
VOLUMES = ("enterprise-profile", "personal-drive")
CLOSINGS = ("logged_out", "logged_out", "closed_by_user", "inactivity", "maximum_length")
SYSTEMS = ("Windows 11", "macOS 15", "ChromeOS 131")
# Seconds of the intervals in which pools are told of.
INTERVAL = 900
# What somebody at work does at a look: mostly, work.
AT_WORK = ("work", "work", "work", "disconnect", "close")


@dataclass(frozen=True)
class Volume:
    """A profile or drive at the lab. ``holder`` is the id of the machine it is attached to."""

    id: str
    holder: str


@dataclass
class Person:
    """Somebody with a desktop of their own, or volumes, or both.

    ``machine`` is an id and a name; ``pool`` a name and a type, where the machine is one of it.
    """

    name: str
    machine: tuple[str, str] = ("", "")
    pool: tuple[str, str] = ("", "")
    volumes: list[Volume] = field(default_factory=list)


class Cloud:
    """One emulated cloud, by its control API."""

    def __init__(self, url: str, ca: str, *, is_azure: bool) -> None:
        self._url, self._is_azure = f"{url}/.lab", is_azure
        self._http = requests.Session()
        # A machine's settings for other servers must not come before the lab's own CA.
        self._http.trust_env, self._http.verify = False, ca

    def people(self) -> list[Person]:
        """Everybody something is assigned to; who has no desktop works on one of the pool."""
        state = self._call("GET", "/")
        found: dict[str, Person] = {}
        pool = _production(state)
        for kind, user, thing in self._assigned(state):
            person = found.setdefault(user, Person(user))
            if kind == "persistent-desktop":
                person.machine = (thing["id"], thing["name"])
            elif kind in VOLUMES:
                person.volumes.append(Volume(thing["id"], thing["holder"]))
        for number, person in enumerate(found.values()):
            if not person.machine[0] and pool:
                vm = pool[number % len(pool)]
                person.machine = (vm.get("uuid") or vm["id"], vm["name"])
                person.pool = _pool_of(vm)
        return [each for each in found.values() if each.machine[0]]

    def pools(self) -> list[Json]:
        """How the pools of production machines stand, as the portal is told."""
        machines: dict[tuple[str, str], list[Json]] = {}
        for vm in _production(self._call("GET", "/")):
            machines.setdefault(_pool_of(vm), []).append(vm)
        return [
            {
                "pool": name,
                "instance_type": type_,
                "min_servers": 1,
                "buffer_servers": 1,
                "max_servers": len(vms),
                "running": sum(map(_is_running, vms)),
                "stopped": len(vms) - sum(map(_is_running, vms)),
            }
            for (name, type_), vms in machines.items()
        ]

    def _assigned(self, state: Json) -> Iterator[tuple[str, str, Json]]:
        if self._is_azure:
            for thing in [*state["vms"], *state["disks"]]:
                tags = thing.get("tags") or {}
                if tags.get("frame-user"):
                    about = {"id": thing["id"], "name": thing["name"]}
                    about["holder"] = thing.get("managed_by") or ""
                    yield tags.get("frame-kind", ""), tags["frame-user"], about
            return
        for thing in [*state["vms"], *state["volume_groups"]]:
            said = _ASSIGNED.match(thing.get("description") or "")
            if said and said[2]:
                holders = thing.get("attached_to") or [""]
                about = {"id": thing["uuid"], "name": thing["name"], "holder": holders[0]}
                yield said[1], said[2], about

    def attach(self, volume: Volume, machine: str | None) -> None:
        """Attach a volume to a machine, or to none."""
        key = volume.id.rpartition("/")[2]
        things = "disks" if self._is_azure else "volume_groups"
        self._call("POST", f"/{things}/{key}/attach", {"vm": machine})

    def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = self._http.request(method, self._url + path, json=body, timeout=TIMEOUT)
        answer.raise_for_status()
        found: Json = answer.json()
        return found


def _production(state: Json) -> list[Json]:
    return [vm for vm in state["vms"] if "-prod-" in vm["name"]]


def _pool_of(vm: Json) -> tuple[str, str]:
    """A machine's name without its number, and its size as the portal shows it."""
    size = vm.get("size") or f"AHV {vm['vcpus']} vCPU · {vm['memory_mb'] / 1024:g} GB"
    return vm["name"].rpartition("-")[0], size


def _is_running(vm: Json) -> bool:
    return (vm.get("power") or vm.get("power_state")) in ("on", "running")


@dataclass
class Desk:
    """An account of the portal, and the cloud its users work at."""

    account: str
    cloud: Cloud


class Broker:
    """Plays everybody of some accounts. ``sessions`` are those that are live, by user."""

    def __init__(
        self, url: str, token: str, desks: list[Desk], state: Path, rng: random.Random
    ) -> None:
        self._url, self._desks, self._state, self._rng = url, desks, state, rng
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["Authorization"] = f"Bearer {token}"
        known = json.loads(state.read_text()) if state.exists() else {}
        self.sessions: dict[str, Json] = known
        self._told_of = 0

    def step(self, now: datetime) -> str:
        """Let one of them do something; say what. Tell of the pools once in each interval."""
        self._tell_of_pools(now)
        desk = self._rng.choice(self._desks)
        people = desk.cloud.people()
        if not people:
            return "Nobody is there."
        person = self._rng.choice(people)
        session = self.sessions.get(person.name)
        if session is None:
            done = self._come(desk, person, now)
        elif session["state"] == "disconnected":
            done = self._act(desk, person, self._rng.choice(("reconnect", "close")), now)
        else:
            done = self._act(desk, person, self._rng.choice(AT_WORK), now)
        self._state.write_text(json.dumps(self.sessions))
        return f"{person.name} {done}."

    def _tell_of_pools(self, now: datetime) -> None:
        interval = int(now.timestamp()) // INTERVAL
        if interval == self._told_of:
            return
        for desk in self._desks:
            if pools := desk.cloud.pools():
                told = {"account": desk.account, "at": now.isoformat(), "pools": pools}
                self._post("/api/v1/sessions/capacity", told)
        self._told_of = interval

    def _come(self, desk: Desk, person: Person, now: datetime) -> str:
        """Nothing is attached before the portal says that it is free (R166)."""
        asked = {"account": desk.account, "user": person.name}
        answer = self._post("/api/v1/sessions/attach", asked)
        if not answer["is_free"]:
            return f"waits: {answer['reason']} About {answer['expected_seconds']} s"
        for volume in person.volumes:
            if volume.holder != person.machine[0]:
                if volume.holder:
                    desk.cloud.attach(volume, None)
                desk.cloud.attach(volume, person.machine[0])
        self.sessions[person.name] = {"id": str(uuid.UUID(int=self._rng.getrandbits(128)))}
        return self._tell(desk, person, "started", "active", now)

    def _act(self, desk: Desk, person: Person, act: str, now: datetime) -> str:
        if act == "disconnect":
            return self._tell(desk, person, "disconnected", "disconnected", now)
        if act == "reconnect":
            return self._tell(desk, person, "reconnected", "active", now)
        if act == "close":
            told = self._tell(
                desk, person, "closed", "closed", now, close_reason=self._rng.choice(CLOSINGS)
            )
            del self.sessions[person.name]
            return told
        return "works"

    def _tell(
        self, desk: Desk, person: Person, type_: str, state: str, now: datetime, **more: str
    ) -> str:
        session = self.sessions[person.name]
        id_, name = person.machine
        pool, instance_type = person.pool
        event = {
            "event_id": str(uuid.UUID(int=self._rng.getrandbits(128))),
            "type": type_,
            "account": desk.account,
            "session_id": session["id"],
            "occurred_at": now.isoformat(),
            "user": {"name": person.name, "email": person.name},
            "machine": {"id": id_, "name": name},
            "pool": pool,
            "instance_type": instance_type,
            "client": {
                "ip": f"192.0.2.{self._rng.randrange(1, 255)}",
                "os": self._rng.choice(SYSTEMS),
                "distance_km": self._rng.randrange(2, 900),
            },
            "average_latency_ms": self._rng.randrange(8, 90),
            **more,
        }
        (outcome,) = self._post("/api/v1/sessions/events", {"events": [event]})["outcomes"]
        session["state"] = state
        return f"{type_} ({outcome['status']})"

    def _post(self, path: str, body: Json) -> Json:
        answer = self._http.post(self._url + path, json=body, timeout=TIMEOUT)
        answer.raise_for_status()
        found: Json = answer.json()
        return found


def broker_of(settings: Path, state: Path, rng: random.Random) -> Broker:
    """Read ``{url, token, ca, desks: [{account, cloud, is_azure}]}``."""
    given = json.loads(settings.read_text())
    desks = [
        Desk(each["account"], Cloud(each["cloud"], given["ca"], is_azure=each["is_azure"]))
        for each in given["desks"]
    ]
    return Broker(given["url"], given["token"], desks, state, rng)


def run(broker: Broker, pace: float, ended: threading.Event, say: Callable[[str], None]) -> None:
    """One step after the other; what is not there at the moment is tried again."""
    while not ended.wait(pace):
        try:
            say(broker.step(datetime.now(UTC)))
        except requests.RequestException as error:
            say(f"Not possible now: {error}")


def main() -> int:
    """Run until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m portal.lab.broker", description=__doc__)
    parser.add_argument("settings", type=Path, help="a file with addresses, accounts and key")
    parser.add_argument("--state", type=Path, required=True, help="where live sessions are kept")
    parser.add_argument("--pace", type=float, default=60, help="seconds between two steps")
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    broker = broker_of(options.settings, options.state, random.Random())  # noqa: S311  # a play
    run(broker, options.pace, ended, lambda said: print(said, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())

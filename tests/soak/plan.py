"""What there is, and what goes wrong when: all of it out of one seed.

The plan is the same for the same options. What it meets is not: threads, processes and the
database take their turns as they come, so a fault strikes another call in each run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from uuid import UUID

SANDBOX, UTILITY = "sandbox", "utility_server"
DESKTOP, PROFILE, DRIVE = "persistent_desktop", "enterprise_profile", "personal_drive"
SERVERS, VOLUMES = (SANDBOX, UTILITY), (DESKTOP, PROFILE, DRIVE)
AHV, AZURE = "ahv", "azure"
# One server in so many things of an account.
SERVER_SHARE = 20
# Seconds between two faults, on average.
FAULT_SECONDS = 10.0
# Parts of the run: faults come between these, schedules before this.
FIRST_FAULT, LAST_FAULT, LAST_SCHEDULE = 0.1, 0.88, 0.8
LONDON, DUBLIN, SUBSCRIPTION = "ahv-lon-01", "ahv-dub-02", "azure"


@dataclass(frozen=True)
class Options:
    """What was asked for at the command line."""

    minutes: float
    seed: int
    accounts: int
    resources: int
    rate: float = 5.0
    scale: float = 10.0


@dataclass(frozen=True)
class Thing:
    """A machine or volume at the lab; ``kind`` is the resource's, with the person who has it."""

    name: str
    kind: str
    user: str = ""
    is_on: bool = True


@dataclass(frozen=True)
class Desk:
    """An account: where it lives, whether it replicates, what it has."""

    id: UUID
    name: str
    infrastructure: str
    has_recovery: bool
    stops_server: bool
    things: tuple[Thing, ...]


@dataclass(frozen=True)
class Blow:
    """Something that goes wrong so many seconds into the run."""

    at: float
    name: str
    facts: dict[str, Any] = field(default_factory=dict)


def desks(options: Options) -> list[Desk]:
    """The accounts and all they have, half of them on either infrastructure."""
    rng = dice(options, "desks")
    made = []
    for number in range(options.accounts):
        of_this = options.resources // options.accounts
        of_this += number < options.resources % options.accounts
        made.append(
            Desk(
                id=UUID(int=rng.getrandbits(128), version=4),
                name=f"Account {number:02}",
                infrastructure=(AHV, AZURE)[number % 2],
                has_recovery=number % 5 < 2 or options.accounts < 5,
                stops_server=number % 4 == 1,
                things=tuple(_things(f"a{number:02}", of_this, rng)),
            )
        )
    return made


def _things(prefix: str, count: int, rng: random.Random) -> list[Thing]:
    servers = 1 + max(1, count // SERVER_SHARE)
    made = [Thing(f"{prefix}-sandbox", SANDBOX)]
    made += [
        Thing(f"{prefix}-util-{n:02}", UTILITY, is_on=rng.random() < 0.8) for n in range(1, servers)
    ]
    kinds = cycle(VOLUMES)
    for number in range(max(0, count - servers)):
        kind, user = next(kinds), f"u{number // 3:03}.{prefix}@soak.example"
        name = f"{ {DESKTOP: 'pd', PROFILE: 'ep', DRIVE: 'dr'}[kind] }-{prefix}-{number // 3:03}"
        made.append(Thing(name, kind, user, is_on=rng.random() < 0.7))
    return made


def dice(options: Options, what: str) -> random.Random:
    """Chance that falls the same for the same seed, apart from that of anything else."""
    return random.Random(f"{what} {options.seed}")  # noqa: S311  # no secret hangs on it


# What goes wrong

LAB_BLOWS = (
    "throttle", "errors", "html", "hang", "drop_before", "drop_after", "slow", "expired_session",
    "task_failed", "operation_expired", "replication_aborted", "link", "throttled_azure",
)  # fmt: skip
PROCESS_BLOWS = ("kill_runner", "kill_cluster", "kill_supervisor", "kill_web_worker", "kill_web")
DATABASE_BLOWS = ("database_fast", "database_immediate")


def blows(options: Options) -> list[Blow]:
    """Everything that goes wrong, in order; each kind once before any comes again."""
    rng = dice(options, "blows")
    seconds = options.minutes * 60
    first, last = FIRST_FAULT * seconds, LAST_FAULT * seconds
    count = max(4, int((last - first) / FAULT_SECONDS))
    names: list[str] = []
    while len(names) < count:
        # Of the lab twice as often as of processes; the database falls once in a round.
        deck = [*LAB_BLOWS, *PROCESS_BLOWS, DATABASE_BLOWS[len(names) % 2]]
        rng.shuffle(deck)
        names += deck
    times = sorted(rng.uniform(first, last) for _ in range(count))
    return [Blow(at, name, _facts(name, rng)) for at, name in zip(times, names, strict=False)]


def _facts(name: str, rng: random.Random) -> dict[str, Any]:
    site = rng.choice((LONDON, LONDON, DUBLIN, SUBSCRIPTION, SUBSCRIPTION))
    if name == "link":
        return {"azure": rng.random() < 0.5, "seconds": rng.uniform(5, 30)}
    if name == "throttled_azure":
        return {"seconds": rng.uniform(5, 20)}
    if name in (*PROCESS_BLOWS, *DATABASE_BLOWS):
        return {"which": rng.randrange(100)}
    return {"cluster": site, "after": rng.randrange(6), "count": rng.randrange(1, 8)}


def schedule_minutes(options: Options) -> int:
    """Minutes from the start in which schedules may come due."""
    return max(1, int(options.minutes * LAST_SCHEDULE))

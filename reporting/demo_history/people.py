"""Who works in the demo's accounts: their teams, when they came, and on which days they work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from portal.models import Account, Resource


@dataclass(frozen=True)
class Team:
    """People who share a pool of machines, and how the broker is told to run it."""

    pool: str
    instance_type: str
    min_servers: int
    buffer_servers: int
    max_servers: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Worker:
    """Somebody with habits. ``begins`` is the hour of the day; ``joined`` counts months back."""

    name: str
    pool: str
    instance_type: str
    machine: Resource | None
    begins: float
    eagerness: float
    is_on_call: bool
    joined: date
    distance_km: float
    system: str


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# The pools named as those of the lab are as large as those.
TEAMS = {
    "Radiology PACS": (
        Team(
            "radiology-pacs-prod", "AHV 4 vCPU · 16 GB", 1, 1, 3,
            _names("amara.nwosu elena.petrova liam.byrne yusuf.demir"),
        ),
        Team(
            "reading-room", "AHV 8 vCPU · 32 GB", 2, 1, 12,
            _names(
                "ingrid.olsen mateo.ruiz hannah.clarke victor.lund zainab.ali peter.novak "
                "grace.mensah clara.svensson noah.fischer ruth.adeyemi omar.haddad"
            ),
        ),
        Team(
            "teaching", "AHV 2 vCPU · 8 GB", 0, 2, 12,
            _names("oliver.hayes mia.rossi ethan.ward leila.karimi tom.becker nina.vogel"),
        ),
    ),
    "Research VDI": (
        Team(
            "research-vdi-prod", "Standard_D2s_v5", 1, 1, 2,
            _names("luisa.santos felix.braun ada.kowalska"),
        ),
        Team(
            "gpu-compute", "Standard_NV6ads_A10_v5", 0, 1, 8,
            _names(
                "ravi.iyer julia.stein chen.wei paul.martin sara.nilsson marco.bianchi "
                "sven.hansen eva.horak"
            ),
        ),
    ),
}  # fmt: skip
SYSTEMS = ("Windows 11", "Windows 11", "Windows 11", "macOS 15", "ChromeOS 131", "Ubuntu 24.04")
DOMAIN = "meridian.example"
# Days nobody works who need not, by month and day, and how much of others' work is done.
HOLIDAYS = {(1, 1): 0.05, (5, 1): 0.1, (12, 24): 0.2, (12, 25): 0.04, (12, 26): 0.05, (12, 31): 0.2}
OF_WEEK = (0.86, 0.9, 0.88, 0.86, 0.72, 0.06, 0.04)


def presence(day: date) -> float:
    """How many of all are at work on a day, of one."""
    if (day.month, day.day) in HOLIDAYS:
        return HOLIDAYS[day.month, day.day]
    share = OF_WEEK[day.weekday()]
    if day.month in (7, 8):
        share *= 0.78
    return share * (0.55 if (day.month, day.day) >= (12, 20) else 1)


def workers_of(account: Account, first: date, today: date) -> list[Worker]:
    """Everybody of the account: half of them were there from the first, others came since."""
    rng = Random(account.name)  # noqa: S311  # a play
    days = (today - first).days
    desktops = Resource.objects.filter(account=account, kind=Resource.Kind.PERSISTENT_DESKTOP)
    own = desktops.exclude(user_name="").select_related("account").order_by("name")
    places: list[tuple[str, str, str, Resource | None]] = [
        (each.user_name, "", each.instance_type[:100], each) for each in own
    ]
    places += [
        (f"{name}@{DOMAIN}", team.pool, team.instance_type, None)
        for team in TEAMS[account.name]
        for name in team.names
    ]
    found = []
    for number, (name, pool, instance_type, machine) in enumerate(places):
        late = 0 if number % 2 else rng.randrange(0, int(days * 0.8))
        found.append(
            Worker(
                name=name,
                pool=pool,
                instance_type=instance_type,
                machine=machine,
                begins=rng.gauss(8.6, 0.9),
                eagerness=rng.uniform(0.7, 1.1),
                is_on_call=number % 7 == 3,
                joined=first + timedelta(days=late),
                distance_km=round(rng.lognormvariate(3, 1.1), 1),
                system=rng.choice(SYSTEMS),
            )
        )
    return found

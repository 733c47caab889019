"""How much of the matrix the everyday run takes; STANDBY_MATRIX=all takes all of it.

STANDBY_MATRIX=7 takes every seventh call of every case, fault and cloud: what an hour allows.

All of it outlasts the patience of a test: add ``-o faulthandler_timeout=0``.

What a fault does is the wire's business, not the database's: the second database gets a
quarter of what the first does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TypeVar

from django.conf import settings

from portal.clouds.kinds import KINDS

Case = TypeVar("Case")
# The backup of a server that is not powered off.
RUNNING = "backup of what runs on"


# A long workflow of many calls: so many times fewer of them are struck every day.
LONG = {"publish": 48}


def strides(**everyday: int) -> dict[str, int]:
    """Return by kind of cloud every how many calls something is tried."""
    if is_whole():
        wanted = _wanted()
        return dict.fromkeys(everyday, int(wanted) if wanted.isdigit() else 1)
    return {kind: stride * (1 if is_first() else 4) for kind, stride in everyday.items()}


def stride_of(stride: int, workflow: str) -> int:
    """Return every how many calls it is tried with this workflow."""
    return stride if is_whole() else stride * LONG.get(workflow, 1)


def portion(cases: Sequence[Case], *, every: int) -> Sequence[Case]:
    """Return all cases, or every so many of them in the everyday run."""
    return cases if is_whole() else cases[::every]


def is_first() -> bool:
    """Whether this is the database that the suite runs on first."""
    return "sqlite" in settings.DATABASES["default"]["ENGINE"]


def is_whole() -> bool:
    """Whether every case of the matrix is wanted, at all calls or at every so many."""
    return _wanted() == "all" or _wanted().isdigit()


def _wanted() -> str:
    return os.environ.get("STANDBY_MATRIX", "")


def of_each_kind(workflows: Iterable[str]) -> list[tuple[str, str]]:
    """Pair every kind of cloud with the workflows it has; the long ones on the first database."""
    names = [name for name in workflows if name not in LONG or is_whole() or is_first()]
    return [(kind, name) for kind in KINDS for name in names]

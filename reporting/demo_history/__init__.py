"""Fourteen months of plausible history for the demo's accounts, made by a generator.

Nothing but sessions, sizes of volumes and what people did is made up, each day from a seed of
its own, so that the same day is always the same. Figures are counted from these by the code that
counts them every hour, month after month; sessions older than Session Trail are dropped again,
as a purge would have. Weekends, holidays and summers are quiet, and teams grow.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db import transaction

from portal.engine import clock
from portal.models import Account
from reporting.demo_history import samples, trail, work
from reporting.demo_history.people import TEAMS
from reporting.models import SessionReport

MONTHS = 14
# An account that has figures of so long ago has its history.
OLD = timedelta(days=60)


def load(say: Callable[[str], None], months: int = MONTHS) -> None:
    """Make the history of each account of the demo that has none."""
    now = clock.now()
    for account in Account.objects.filter(name__in=TEAMS).exclude(cloud_account=None):
        old = SessionReport.objects.filter(account=account, period_start__lt=now - OLD)
        if not old.exists():
            say(f"{account}: making {months} months of history ...")
            _load(account, months)


@transaction.atomic
def _load(account: Account, months: int) -> None:
    now = clock.now()
    sessions = work.load(account, now, months)
    samples.load_disks(account, now, months)
    samples.load_capacity(account, now, sessions)
    trail.load(account, now, months)

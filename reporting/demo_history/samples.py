"""Sizes of volumes and states of pools in the demo's history, as the clock would have kept them."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from portal.models import Account, Resource
from reporting.demo_history.people import TEAMS
from reporting.demo_history.work import hash_of
from reporting.figures.capacity import POOLS
from reporting.figures.disks import GB, add_up
from reporting.figures.periods import DAY, HOUR, quarter_of
from reporting.models import DiskSample, ElasticitySample, Session
from reporting.records.periods import months_before

ROWS_AT_ONCE = 1000
QUARTER = timedelta(minutes=15)
# Of the last days there is a sample for each quarter, of those before for each hour.
FINE_DAYS = 10
MONTHS_OF_CAPACITY = 3


def load_disks(account: Account, now: datetime, months: int) -> None:
    """Each volume grew to what it is now, in steps; some are newer than others."""
    today = now.astimezone(account.zone).date()
    first = months_before(now, months).date()
    days = (today - first).days
    volumes = list(account.resources.volumes().filter(is_missing=False))
    rows = []
    for volume in volumes:
        since = 0 if hash_of(volume.name) % 3 else days // 3
        for number in range(since, days):
            share = 0.4 + 0.6 * (number - since) / (days - since)
            rows.append(
                DiskSample(
                    account=account,
                    resource_id=volume.pk,
                    day=first + DAY * number,
                    volume_type=volume.kind,
                    name=volume.name,
                    user_name=volume.user_name,
                    size_bytes=max(1, int(volume.size_bytes * share) // (2 * GB)) * 2 * GB,
                )
            )
    DiskSample.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
    if rows:
        add_up(account, first, today - DAY)


def load_capacity(account: Account, now: datetime, sessions: Sequence[Session]) -> None:
    """Pools start machines as people come, and keep some more; desktops run while in session."""
    count = {key: _counter(of_kind) for key, of_kind in _by_kind(sessions).items()}
    moments = list(_moments(months_before(now, MONTHS_OF_CAPACITY), quarter_of(now)))
    rows = list(_of_pools(account, moments, count))
    rows += _of_desktops(account, moments, count)
    ElasticitySample.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)


def _moments(since: datetime, until: datetime) -> Iterator[datetime]:
    at, fine = quarter_of(since).replace(minute=0) + HOUR, until - DAY * FINE_DAYS
    while at < until:
        yield at
        at += HOUR if at < fine else QUARTER


def _by_kind(sessions: Sequence[Session]) -> dict[tuple[str, str], list[Session]]:
    found = defaultdict(list)
    for session in sessions:
        found[session.pool, session.instance_type].append(session)
    return found


def _counter(sessions: list[Session]) -> Callable[[datetime], int]:
    """Tells how many of these were live at a moment."""
    starts = sorted(each.started_at for each in sessions)
    ends = sorted(each.ended_at for each in sessions if each.ended_at)
    return lambda at: bisect_right(starts, at) - bisect_right(ends, at)


def _none(at: datetime) -> int:
    return 0


def _of_pools(
    account: Account,
    moments: Sequence[datetime],
    count: dict[tuple[str, str], Callable[[datetime], int]],
) -> Iterator[ElasticitySample]:
    for team in TEAMS[account.name]:
        users, before = count.get((team.pool, team.instance_type), _none), 0
        for at in moments:
            wanted = users(at)
            in_session = min(wanted, team.max_servers)
            target = min(team.max_servers, max(team.min_servers, wanted + team.buffer_servers))
            # What is to run more than before is still starting, but for what is in use.
            running = max(in_session, min(target, before + 1))
            yield ElasticitySample(
                account=account,
                at=at,
                pool=team.pool,
                instance_type=team.instance_type,
                min_servers=team.min_servers,
                buffer_servers=team.buffer_servers,
                max_servers=team.max_servers,
                running=running,
                in_session=in_session,
                available=running - in_session,
                starting=target - running if target > running else 0,
                stopped=team.max_servers - max(target, running),
                waiting_users=wanted - in_session,
            )
            before = target


def _of_desktops(
    account: Account,
    moments: Sequence[datetime],
    count: dict[tuple[str, str], Callable[[datetime], int]],
) -> Iterator[ElasticitySample]:
    desktops = Resource.objects.filter(account=account, kind=Resource.Kind.PERSISTENT_DESKTOP)
    for type_, there in Counter(each.instance_type[:100] for each in desktops).items():
        users = count.get(("", type_), _none)
        for at in moments:
            in_session = min(there, users(at))
            running = min(there, in_session + (7 <= at.hour < 19))
            yield ElasticitySample(
                account=account,
                at=at,
                pool=POOLS[Resource.Kind.PERSISTENT_DESKTOP],
                instance_type=type_,
                running=running,
                in_session=in_session,
                available=running - in_session,
                stopped=there - running,
            )
